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

const property = (request: unknown, name: string): string =>
  String(Reflect.get(Object(request), name))

/**
 * State travels in these calls: no setting, file or variable of the SDK may send it in clear to anybody but
 * this machine. Answers what is wrong.
 */
export const problemOf = (request: unknown): QueueError.QueueError | undefined =>
  property(request, "protocol") === "https:" || isLoopback(property(request, "hostname"))
    ? undefined
    : QueueError.configurationInvalid("endpoint", "session state travels over https alone")
