import { isIP } from "node:net"

const privateAddress =
  /^(?:127\.|10\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.|0\.0\.0\.0$)/u

const privateAddress6 = /^(?:::1$|f[cd][\da-f]{2}:|fe80:|::ffff:7f)/iu

const localName = /^[^.]+$|\.(?:localhost|local|internal|test|localdomain)\.?$/iu

/**
 * Whether a host is this machine or its private network: where plain HTTP may be spoken. A name without
 * a dot is one of a container's neighbours.
 */
export const isLocalHost = (hostname: string): boolean => {
  const bare = hostname.replace(/^\[|\]$/gu, "")
  const version = isIP(bare)
  if (version === 4) return privateAddress.test(bare)
  return version === 6 ? privateAddress6.test(bare) : localName.test(bare)
}
