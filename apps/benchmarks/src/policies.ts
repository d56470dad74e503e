/** What the policies cost: on queues in memory, in time of the processor, in turn with what they stand around. */
import type { QueueClient, QueueError, QueueProvider } from "@queue-runtime/core"
import type * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as measure from "./measure.ts"
import * as cipher from "./policies/cipher.ts"
import * as cycles from "./policies/cycles.ts"
import * as stacks from "./policies/stacks.ts"
import * as Report from "./Report.ts"

/** Of one sample. */
const messages = 5_000

const callers = 100

/** Until what is compiled is compiled: the threads that do it count as time of this process. */
const warm = 8

const options = { warm, rounds: 15, samples: 5 }

/** A whole stack is a lot of code, and code is compiled while it runs. */
const wholeOptions = { warm, rounds: 11, samples: 3 }

type Work<R> = Effect.Effect<void, QueueError.QueueError, R>

/** Runs on a stack that is built once, and closed in the end. */
const worldOf = () => {
  const closing: Array<() => Promise<void>> = []
  const sampling = <R>(
    layer: Parameters<typeof ManagedRuntime.make<R, QueueError.QueueError>>[0],
    work: Work<R>
  ): measure.Task["sample"] => {
    const runtime = ManagedRuntime.make(layer)
    closing.push(() => runtime.dispose())
    return measure.cpu(messages, () => runtime.runPromise(work))
  }
  return {
    port: (stack: stacks.Stack, work: Work<QueueProvider.QueueProvider>) => sampling(stack, work),
    client: (stack: stacks.Stack, work: Work<QueueClient.QueueClient>) =>
      sampling(stacks.client(stack), work),
    close: async () => {
      for (const close of closing) await close()
    }
  }
}

const micros = (nanoseconds: ReadonlyArray<number> | undefined): ReadonlyArray<number> =>
  (nanoseconds ?? []).map((one) => one / 1_000)

const measured = async (
  samples: Readonly<Record<string, measure.Task["sample"]>>,
  how: measure.Options
) => {
  const tasks = Object.entries(samples).map(([name, sample]): measure.Task => ({ name, sample }))
  const found = await measure.rounds(tasks, how)
  return (
    values: Pick<Report.Case, "absolute" | "case" | "target">,
    ours: string,
    peer: string
  ): Report.Case =>
    Report.ofRounds({
      ...values,
      better: "lower",
      ours: micros(found.get(ours)),
      peer: micros(found.get(peer))
    })
}

const over = stacks.over

/** Each policy alone around the port, one message a call. */
export const alone = async (): Promise<ReadonlyArray<Report.Case>> => {
  const { close, port } = worldOf()
  const cycle = cycles.port(messages, 1)
  const compare = await measured(
    {
      bare: port(stacks.bare, cycle),
      silent: port(over(stacks.telemetry), cycle),
      retry: port(over(stacks.retry), cycle),
      timeout: port(over(stacks.timeout), cycle),
      breaker: port(over(stacks.breaker), cycle),
      health: port(over(stacks.health), cycle),
      metrics: port(stacks.measured(over(stacks.telemetry)), cycle),
      traced: port(stacks.listening(over(stacks.telemetry)), cycle)
    },
    options
  )
  await close()
  const told = (what: string, name: string) =>
    compare({ case: `policies ${what} / bare memory: CPU µs a message, three calls` }, name, "bare")
  return [
    compare(
      {
        case: "policies telemetry that nobody hears / bare memory: CPU µs a message, three calls",
        target: 1.05
      },
      "silent",
      "bare"
    ),
    told("retry", "retry"),
    told("time-out", "timeout"),
    told("circuit breaker", "breaker"),
    told("health", "health"),
    told("telemetry with metrics", "metrics"),
    told("telemetry with metrics and a tracer", "traced")
  ]
}

/** Sealing over next to nothing, beside the same bytes by hand. */
export const sealing = async (): Promise<ReadonlyArray<Report.Case>> => {
  const { close, port } = worldOf()
  const sealed = over(stacks.sealing, stacks.nothing)
  const atOnce = cipher.manyAtOnce()
  const compare = await measured(
    {
      hand: measure.cpu(messages, () => cipher.cycles(messages, cipher.oneByOne)),
      strict: measure.cpu(messages, () => cipher.cycles(messages, atOnce)),
      ten: port(sealed, cycles.there(messages, 10)),
      one: port(sealed, cycles.there(messages, 1))
    },
    options
  )
  await close()
  const what = "policies sealing and opening 1 KB / node:crypto by hand: CPU µs a message"
  return [
    compare({ case: `${what}, ten a call`, target: 1.2 }, "ten", "hand"),
    compare({ case: `${what}, one a call` }, "one", "hand"),
    compare({ case: `${what} with nonces drawn at once, ten a call` }, "ten", "strict")
  ]
}

/** Every policy at once, through the client. */
export const whole = async (): Promise<ReadonlyArray<Report.Case>> => {
  const { client, close } = worldOf()
  const works = {
    ten: cycles.batches(messages),
    together: cycles.together(messages, callers),
    one: cycles.alone(messages)
  }
  const compare = await measured(
    {
      "bare ten": client(stacks.bare, works.ten),
      "whole ten": client(stacks.whole, works.ten),
      "bare together": client(stacks.bare, works.together),
      "whole together": client(stacks.whole, works.together),
      "bare one": client(stacks.bare, works.one),
      "whole one": client(stacks.whole, works.one)
    },
    wholeOptions
  )
  await close()
  const what = "policies every one of them / client on bare memory: CPU µs a message"
  const target = { absolute: true, target: 30 } as const
  return [
    compare({ case: `${what}, ten a call`, ...target }, "whole ten", "bare ten"),
    compare(
      { case: `${what}, ${callers} callers at once`, ...target },
      "whole together",
      "bare together"
    ),
    compare({ case: `${what}, one caller` }, "whole one", "bare one")
  ]
}
