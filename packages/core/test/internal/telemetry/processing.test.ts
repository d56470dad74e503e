import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as MessageHandler from "../../../src/MessageHandler.ts"
import * as processing from "../../../src/internal/telemetry/processing.ts"
import * as Received from "../../support/Received.ts"
import * as Signals from "../../support/Signals.ts"

describe("processing", () => {
  it.effect("R9.1 the span of a delivery ends however its handling does", () =>
    Effect.gen(function* () {
      const heard = Signals.make()
      const watched = yield* heard.listening(processing.make)
      const ended = (handling: Effect.Effect<MessageHandler.Disposition>) =>
        Effect.exit(heard.listening(watched(Received.make(), handling)))
      const cut = yield* ended(Effect.interrupt)
      assert.isTrue(Exit.isFailure(cut) && Cause.hasInterruptsOnly(cut.cause))
      yield* ended(Effect.die(new Error("a bug")))
      const spans = heard.named("process orders")
      assert.strictEqual(spans.length, 2)
      for (const span of spans) {
        // Nothing is known of why: no disposition, and no failure of its own.
        assert.isUndefined(Signals.problemOf(span))
        assert.isFalse(span.attributes.has("queue_runtime.disposition"))
      }
    })
  )
})
