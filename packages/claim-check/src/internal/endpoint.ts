/** Bodies travel over TLS alone, except to this machine. */
import { BlockList, isIP } from "node:net"
import { QueueError } from "@queue-runtime/core"

const loopback = new BlockList()
loopback.addSubnet("127.0.0.0", 8, "ipv4")
loopback.addAddress("::1", "ipv6")

/** This machine: for emulators and tests. */
const isLoopback = (hostname: string): boolean => {
  const bare = hostname.replace(/^\[|\]$/gu, "")
  const version = isIP(bare)
  return version === 0
    ? bare === "localhost" || bare.endsWith(".localhost")
    : loopback.check(bare, version === 4 ? "ipv4" : "ipv6")
}

/** What is wrong with where a call goes. */
export const problemOf = (
  key: string,
  { hostname, protocol }: { readonly hostname: string; readonly protocol: string }
): QueueError.QueueError | undefined =>
  protocol === "https:" || isLoopback(hostname)
    ? undefined
    : QueueError.configurationInvalid(key, "bodies travel over https alone")
