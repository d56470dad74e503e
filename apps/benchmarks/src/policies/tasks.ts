/** What the policies are measured by, by name. */
import type { QueueClient, QueueError, QueueProvider } from "@queue-runtime/core"
import type * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as measure from "../measure.ts"
import * as cipher from "./cipher.ts"
import * as cycles from "./cycles.ts"
import * as stacks from "./stacks.ts"

/** Of one sample. */
const messages = 5_000

export const callers = 100

type Sample = measure.Task["sample"]

type Work<R> = Effect.Effect<void, QueueError.QueueError, R>

/** Runs on a stack that is built once; its process ends with the measurement. */
const sampling = <R>(
  layer: Parameters<typeof ManagedRuntime.make<R, QueueError.QueueError>>[0],
  work: Work<R>
): Sample => {
  const runtime = ManagedRuntime.make(layer)
  return measure.cpu(messages, () => runtime.runPromise(work))
}

const port = (stack: stacks.Stack, work: Work<QueueProvider.QueueProvider>): Sample =>
  sampling(stack, work)

const client = (stack: stacks.Stack, work: Work<QueueClient.QueueClient>): Sample =>
  sampling(stacks.client(stack), work)

const byHand = (nonces: cipher.Nonces): Sample =>
  measure.cpu(messages, () => cipher.cycles(messages, nonces))

/** One message a call: sent, received, completed. */
const cycled = (stack: stacks.Stack): Sample => port(stack, cycles.port(messages, 1))

const sealed = (size: number): Sample =>
  port(stacks.over(stacks.sealing, stacks.nothing), cycles.there(messages, size))

const over = stacks.over

export const tasks = {
  bare: () => cycled(stacks.bare),
  silent: () => cycled(over(stacks.telemetry)),
  retry: () => cycled(over(stacks.retry)),
  timeout: () => cycled(over(stacks.timeout)),
  breaker: () => cycled(over(stacks.breaker)),
  health: () => cycled(over(stacks.health)),
  metrics: () => cycled(stacks.measured(over(stacks.telemetry))),
  traced: () => cycled(stacks.listening(over(stacks.telemetry))),

  hand: () => byHand(cipher.oneByOne),
  strict: () => byHand(cipher.manyAtOnce()),
  "sealed ten": () => sealed(10),
  "sealed one": () => sealed(1),

  "bare ten": () => client(stacks.bare, cycles.batches(messages)),
  "whole ten": () => client(stacks.whole, cycles.batches(messages)),
  "bare together": () => client(stacks.bare, cycles.together(messages, callers)),
  "whole together": () => client(stacks.whole, cycles.together(messages, callers)),
  "bare one": () => client(stacks.bare, cycles.alone(messages)),
  "whole one": () => client(stacks.whole, cycles.alone(messages))
} as const satisfies Readonly<Record<string, () => Sample>>

export type Name = keyof typeof tasks
