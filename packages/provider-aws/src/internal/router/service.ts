import * as Effect from "effect/Effect"
import { QueueAddress, QueueError, type QueueProvider } from "@queue-runtime/core"
import { provider } from "../errors.ts"
import * as accepting from "./accepting.ts"
import * as checks from "./checks.ts"
import type { Lines, Used } from "./lines.ts"
import * as sending from "./sending.ts"
import * as settling from "./settling.ts"

const unsupported = (what: string, remedy?: string): QueueError.Reason =>
  new QueueError.UnsupportedOperation({ what, provider, remedy })

/** Why nothing can be received from here. */
const receiveProblem = (
  { capabilities, line, router }: Used,
  options: QueueProvider.ReceiveOptions
): QueueError.Reason | undefined => {
  if (router !== undefined) {
    return unsupported(
      "receiving from an ordered queue without a session",
      "accept one, or use a session worker"
    )
  }
  if (!line.isMain && capabilities.deadLetter === "unsupported") {
    return unsupported("receiving dead letters", settling.withoutDeadLetters)
  }
  return checks.receiveProblem(options)
}

/** Why no session can be accepted so. */
const acceptProblem = (
  { capabilities, router }: Used,
  options: QueueProvider.AcceptOptions
): QueueError.Reason | undefined => {
  if (router === undefined) {
    return unsupported(
      "accepting a session",
      "only a FIFO queue has sessions; set fifo: true in its options"
    )
  }
  if (options.sessionId !== undefined && capabilities.acceptSpecific === "unsupported") {
    return unsupported(
      "accepting a session by its id",
      "leave the id out, or set strict: false in its options"
    )
  }
  return checks.waitProblem(options.wait)
}

/** The provider's methods over its queues. */
export const make = (lines: Lines): QueueProvider.Service => {
  const { shared } = lines
  const scope: settling.Scope = { shared, lineOf: ({ address }) => lines.of(address).line }
  return {
    name: provider,
    stack: [provider],
    capabilities: (name) => lines.capabilities(name),
    send: (name, messages) =>
      Effect.suspend(() => {
        const { capabilities, lanes, line } = lines.of(QueueAddress.queue(name))
        return sending.send(line, lanes, capabilities, messages)
      }),
    receive: (address, options) =>
      Effect.suspend(() => {
        const used = lines.of(address)
        const { line, plain } = used
        if (shared.isClosed) return Effect.fail(line.closed("receive"))
        const problem = receiveProblem(used, options)
        return problem === undefined
          ? plain.receive(options)
          : Effect.fail(line.error(problem, "receive"))
      }),
    settle: (receipts, verdict) => Effect.suspend(() => settling.settle(scope, receipts, verdict)),
    renewLock: (receipts) => Effect.suspend(() => settling.renew(scope, receipts)),
    peek: (address) =>
      Effect.suspend(() => Effect.fail(lines.of(address).line.error(unsupported("peek"), "peek"))),
    depth: (address) =>
      Effect.suspend(() => {
        const { line } = lines.of(address)
        if (shared.isClosed) return Effect.fail(line.closed("depth"))
        const asked = Effect.flatMap(shared.sqs.queueOf(address), shared.sqs.attributes)
        return Effect.map(asked, ({ counts: { delayed, inFlight, visible } }) => ({
          available: visible,
          locked: inFlight,
          delayed
        }))
      }),
    acceptSession: (name, options) =>
      Effect.suspend(() => {
        const used = lines.of(QueueAddress.queue(name))
        const { line, router } = used
        if (shared.isClosed) return Effect.fail(line.closed("acceptSession"))
        const problem = acceptProblem(used, options)
        return problem === undefined && router !== undefined
          ? accepting.accept(router, options)
          : Effect.fail(line.error(problem ?? unsupported("accepting a session"), "acceptSession"))
      })
  }
}
