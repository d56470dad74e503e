/** What all batch calls have in common. */
import * as Result from "effect/Result"
import * as SqsError from "../SqsError.ts"
import * as input from "./input.ts"
import * as limits from "./limits.ts"
import * as refusals from "./refusals.ts"

const idForm = /^[A-Za-z0-9_-]{1,80}$/u

export interface Entry {
  readonly id: string
  readonly index: number
  readonly input: input.Input
}

/** The entries of a batch, or the refusal of the whole call. */
export const entriesOf = (from: input.Input, entryName: string): ReadonlyArray<Entry> => {
  const given = input.list(from, "Entries")
  if (given.length === 0) refusals.refuse(refusals.emptyBatch(entryName))
  if (given.length > limits.entriesMax) {
    refusals.refuse(refusals.tooManyEntries(limits.entriesMax, given.length))
  }
  const seen = new Set<string>()
  const entries = given.map((value, index) => {
    const entry = input.object(value)
    const id = input.text(entry, "Id") ?? ""
    if (!idForm.test(id)) refusals.refuse(refusals.invalidEntryId())
    return { id, index, input: entry }
  })
  for (const { id } of entries) {
    if (seen.has(id)) refusals.refuse(refusals.repeatedEntryId(id))
    seen.add(id)
  }
  return entries
}

/** Lets an entry of a batch fail by a fault. */
export type FailEntry = (entry: input.Input, index: number) => SqsError.SqsError | undefined

export interface Failed {
  readonly Id: string
  readonly SenderFault: boolean
  readonly Code: string
  readonly Message: string
}

export interface Outcome<A> {
  readonly Successful: ReadonlyArray<A>
  readonly Failed: ReadonlyArray<Failed>
}

const failedOf = (Id: string, error: SqsError.SqsError): Failed => ({
  Id,
  SenderFault: error.senderFault,
  Code: error.code,
  Message: error.message
})

/** What a refused step threw; anything else is a defect and goes on as one. */
export const attempt = <A>(f: () => A): Result.Result<A, SqsError.SqsError> =>
  Result.try({
    try: f,
    catch: (problem) => {
      if (problem instanceof SqsError.SqsError) return problem
      throw problem
    }
  })

/** Does every entry for itself: one that is refused leaves the others alone. */
export const each = <A>(
  entries: ReadonlyArray<Entry>,
  fail: FailEntry | undefined,
  f: (entry: Entry) => A
): Outcome<A> => {
  const Successful: Array<A> = []
  const Failed: Array<Failed> = []
  for (const entry of entries) {
    const fault = fail?.(entry.input, entry.index)
    const done = fault === undefined ? attempt(() => f(entry)) : Result.fail(fault)
    if (Result.isSuccess(done)) Successful.push(done.success)
    else Failed.push(failedOf(entry.id, done.failure))
  }
  return { Successful, Failed }
}
