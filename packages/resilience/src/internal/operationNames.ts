import type { Operation } from "@queue-runtime/core"

/** Operations as errors name them: by the methods of the ports. */
export const operationNames = {
  Send: "send",
  Receive: "receive",
  Settle: "settle",
  RenewLock: "renewLock",
  Peek: "peek",
  AcceptSession: "acceptSession",
  RenewSessionLock: "renewLock",
  GetSessionState: "state",
  SetSessionState: "setState"
} as const satisfies Record<Operation.Operation<unknown>["_tag"], string>
