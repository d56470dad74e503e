import { Defaults } from "@queue-runtime/core"

const encoder = new TextEncoder()

export const keyIdRule = `must have 1–${Defaults.cryptoKeyIdSizeMax} bytes of well-formed UTF-8`

export const isKeyId = (id: string): boolean =>
  id !== "" && id.isWellFormed() && encoder.encode(id).byteLength <= Defaults.cryptoKeyIdSizeMax
