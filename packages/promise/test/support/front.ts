import { assert } from "@effect/vitest"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import { QueueError, Queues } from "../../src/index.ts"

export const provider = (): Queues.Provider =>
  MemoryProvider.layer({
    queues: { orders: { lockDuration: "5 seconds" }, events: { sessions: true } }
  })

export const open = (options: Partial<Queues.Options> = {}) =>
  Queues.open({ provider: provider(), logLevel: "None", wait: 0, ...options })

export const text = (value: Uint8Array): string => new TextDecoder().decode(value)

export const rejected = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error("it was not rejected")
}

export const reasonOf = async (promise: Promise<unknown>): Promise<string> => {
  const error = await rejected(promise)
  assert.instanceOf(error, QueueError.QueueError)
  return error instanceof QueueError.QueueError ? error.reason._tag : ""
}

/** Waits for what must come, with a deadline. */
export const until = async (isThere: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = performance.now() + 10_000
  while (!(await isThere())) {
    if (performance.now() > deadline) throw new Error("it did not come within 10 s")
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Any validator that follows Standard Schema. */
export const counted = {
  "~standard": {
    version: 1 as const,
    vendor: "test",
    validate: async (value: unknown) => {
      const n = typeof value === "object" && value !== null && "n" in value ? value.n : undefined
      if (n === "throw") throw new TypeError("careless")
      return typeof n === "number"
        ? { value: { n, doubled: 2 * n } }
        : { issues: [{ message: "must be a number", path: [{ key: "n" }] }] }
    },
    types: undefined as
      | { readonly input: { n: number }; readonly output: { n: number; doubled: number } }
      | undefined
  }
}
