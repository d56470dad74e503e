import { assert } from "@effect/vitest"
import * as QueueError from "../../src/QueueError.ts"

/** The wrapped original of an error, which must be there. */
export const originalError = (error: { readonly cause?: unknown }): QueueError.OriginalError =>
  error.cause instanceof QueueError.OriginalError
    ? error.cause
    : assert.fail("the cause is not wrapped by OriginalError")
