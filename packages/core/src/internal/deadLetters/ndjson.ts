import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as DeadLetters from "../../DeadLetters.ts"
import * as Message from "../../Message.ts"
import * as QueueError from "../../QueueError.ts"
import { schemaProblem } from "../schemaProblem.ts"
import * as schema from "./schema.ts"

const encode = Schema.encodeEffect(schema.DeadLetterFromJson)

const decode = Schema.decodeEffect(schema.DeadLetterFromJson)

/** A letter as a line. */
export const toLine = (letter: DeadLetters.DeadLetter): Effect.Effect<string> =>
  Effect.orDie(Effect.map(encode(letter), (json) => `${json}\n`))

/** Of a line that is none: where it stands and what is wrong, not what is in it. */
const fromLine = (line: string, index: number) =>
  Effect.mapError(decode(line), ({ issue }) => {
    const { path, problem } = schemaProblem(issue)
    const detail = `line ${index + 1}: ${path === "" ? problem : `${path}: ${problem}`}`
    return QueueError.make(new QueueError.SerializationFailed({ direction: "decode", detail }))
  })

interface Read {
  readonly letters: Array<DeadLetters.DeadLetter>
  size: number
}

/** All the letters of an export, up to the bounds; empty lines are none. */
export const fromText = <E>(
  text: Stream.Stream<string, E>,
  { heldMax, heldSizeMax }: Required<DeadLetters.Options>
): Effect.Effect<ReadonlyArray<DeadLetters.DeadLetter>, QueueError.QueueError | E> => {
  const tooMany = QueueError.validationFailed(
    "heldMax",
    `the import has more than ${heldMax} dead letters, or ${heldSizeMax} bytes of them: raise ` +
      "heldMax and heldSizeMax, or cut it between two sessions"
  )
  return Stream.splitLines(text).pipe(
    Stream.zipWithIndex,
    // Trimmed: an editor may have put a byte order mark before the first one.
    Stream.map(([line, index]) => [line.trim(), index] as const),
    Stream.filter(([line]) => line !== ""),
    Stream.mapEffect(([line, index]) => fromLine(line, index)),
    Stream.runFoldEffect(
      (): Read => ({ letters: [], size: 0 }),
      (read, letter) => {
        read.letters.push(letter)
        read.size += Message.size(letter.message)
        return read.letters.length > heldMax || read.size > heldSizeMax
          ? Effect.fail(tooMany)
          : Effect.succeed(read)
      }
    ),
    Effect.map(({ letters }) => letters)
  )
}
