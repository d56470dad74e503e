import { assert, describe, it, vi } from "@effect/vitest"
import { Queues } from "../src/index.ts"
import { provider, rejected } from "./support/front.ts"

// The environment is read once a process, with the first stack: so before it, in a file of its own.
vi.stubEnv("QUEUE_RECEIVE_TIMEOUT_SECONDS", "soon")

const options = (): Queues.Options => ({ provider: provider(), logLevel: "None" })

describe("Queues.open", () => {
  it("R10.9 goes by the environment's time to wait, where the options do not say one", async () => {
    const error = await rejected(Queues.open(options()))
    assert.match(String(error), /QUEUE_RECEIVE_TIMEOUT_SECONDS: must be a whole number from 0/u)
    await using queues = await Queues.open({ ...options(), wait: 0 })
    assert.isEmpty(await queues.queue("orders").receive())
  })
})
