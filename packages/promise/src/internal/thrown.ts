/** What a handler threw, as the failure that a worker judges. */
import { HandlerFailure, QueueError } from "@queue-runtime/core"
import * as Predicate from "effect/Predicate"

/** Named and marked as what was thrown: dead letters are grouped by the one and judged by the other. */
export class Thrown extends Error {
  readonly _tag: string
  readonly retry: unknown

  constructor(thrown: unknown) {
    super(thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown })
    const hasTag = Predicate.hasProperty(thrown, "_tag") && typeof thrown._tag === "string"
    const name = thrown instanceof Error ? thrown.name : typeof thrown
    this._tag = hasTag ? String(thrown._tag) : name
    this.retry = Predicate.hasProperty(thrown, "retry") ? thrown.retry : undefined
  }
}

/** An error of ours as it is, anything else as a {@link Thrown}. */
export const from = (thrown: unknown): HandlerFailure.Permanent | QueueError.QueueError | Thrown =>
  thrown instanceof HandlerFailure.Permanent || thrown instanceof QueueError.QueueError
    ? thrown
    : new Thrown(thrown)

/** What {@link from} answers. */
export type Failure = ReturnType<typeof from>
