/** What the program that is killed did: one line before each operation and one after its answer. */
import * as Schema from "effect/Schema"
import { appendFileSync, readFileSync } from "node:fs"

const Id = Schema.String
const Settlement = { id: Id, verdict: Schema.Literals(["Complete", "Abandon", "DeadLetter"]) }

export const Line = Schema.Union([
  Schema.TaggedStruct("Started", { run: Schema.Int }),
  Schema.TaggedStruct("Sending", { ids: Schema.Array(Id) }),
  Schema.TaggedStruct("Sent", { ids: Schema.Array(Id) }),
  /** A session in hand: what is delivered from now on is delivered to its one holder. */
  Schema.TaggedStruct("Accepted", { session: Schema.String }),
  Schema.TaggedStruct("Delivered", { ids: Schema.Array(Id) }),
  Schema.TaggedStruct("Settling", Settlement),
  Schema.TaggedStruct("Settled", Settlement),
  /** The receipt had expired: nothing was settled. */
  Schema.TaggedStruct("Refused", { id: Id })
])

export type Line = typeof Line.Type

const LineFromJson = Schema.fromJsonString(Line)
const encode = Schema.encodeSync(LineFromJson)
const decode = Schema.decodeSync(LineFromJson)

/** Written when it returns, as far as the end of the process goes. */
export const append = (path: string, line: Line): void => appendFileSync(path, `${encode(line)}\n`)

export const read = (path: string): ReadonlyArray<Line> =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter((text) => text !== "")
    .map((text) => decode(text))
