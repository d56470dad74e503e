/**
 * Files and the standard input and output.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { createReadStream, fstatSync } from "node:fs"
import { open } from "node:fs/promises"
import { createInterface } from "node:readline"
import type { Readable } from "node:stream"
import * as Failure from "./Failure.ts"

/**
 * The name that stands for the standard input or output.
 *
 * @category names
 * @since 0.1.0
 */
export const standardInput = "-"

const failed =
  (path: string, what: string) =>
  (cause: unknown): Failure.Failure => {
    const code = Predicate.hasProperty(cause, "code") ? String(cause.code) : "unknown"
    const name = path === standardInput ? "the standard input" : path
    return Failure.usage(`${name}: cannot be ${what} (${code})`)
  }

/** Somebody wrote something there: a pipe or a file, no terminal and no empty device. */
const isFilled = (): boolean => {
  const found = fstatSync(0, { throwIfNoEntry: false })
  return found !== undefined && (found.isFIFO() || found.isFile() || found.isSocket())
}

/**
 * Whether the standard input is there to be read.
 *
 * @category guards
 * @since 0.1.0
 */
export const hasInput: boolean = !process.stdin.isTTY && isFilled()

const opened = (path: string): Readable =>
  path === standardInput ? process.stdin : createReadStream(path)

/** More than the largest body that any queue, or any store of bodies, is set up for. */
const bytesMax = 1024 ** 3

const tooLarge = (path: string): Failure.Failure =>
  Failure.usage(
    `${path === standardInput ? "the standard input" : path}: is over 1 GiB, more than any queue takes`
  )

/**
 * All bytes of a file, or of the standard input, up to 1 GiB. Ctrl-C ends the wait for them.
 *
 * **Errors** Failure with the code `usage`
 *
 * @category reading
 * @since 0.1.0
 */
export const bytes = (path: string): Effect.Effect<Uint8Array, Failure.Failure> =>
  Effect.callback((resume) => {
    const input = opened(path)
    const chunks: Array<Uint8Array> = []
    let length = 0
    input.on("data", (chunk: Uint8Array) => {
      length += chunk.byteLength
      if (length <= bytesMax) chunks.push(chunk)
      else {
        input.destroy()
        resume(Effect.fail(tooLarge(path)))
      }
    })
    input.once("end", () => resume(Effect.sync(() => new Uint8Array(Buffer.concat(chunks)))))
    input.once("error", (cause) => resume(Effect.fail(failed(path, "read")(cause))))
    return Effect.sync(() => input.destroy())
  })

/**
 * The lines of a file, or of the standard input, as they are asked for.
 *
 * **Errors** Failure with the code `usage`
 *
 * @category reading
 * @since 0.1.0
 */
export const lines = (path: string): Stream.Stream<string, Failure.Failure> =>
  Stream.suspend(() => {
    const input = opened(path)
    const broken = new Promise<never>((_resolve, reject) => {
      input.once("error", reject)
    })
    broken.catch(() => undefined)
    const all = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
    const iterator = all[Symbol.asyncIterator]()
    // A file that is not there ends its lines without a word: the race hears of it.
    const iterable: AsyncIterable<string> = {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.race([iterator.next(), broken]),
        return: () => {
          all.close()
          return Promise.resolve({ done: true, value: undefined })
        }
      })
    }
    return Stream.fromAsyncIterable(iterable, failed(path, "read"))
  })

/**
 * Writes text to a file, piece by piece; one that is there is replaced when all is written.
 *
 * **Errors** Failure with the code `usage`
 *
 * @category writing
 * @since 0.1.0
 */
export const write = <E, R>(
  path: string,
  pieces: Stream.Stream<string, E, R>
): Effect.Effect<void, E | Failure.Failure, R> =>
  Effect.scoped(
    Effect.gen(function* () {
      const file = yield* Effect.acquireRelease(
        Effect.tryPromise({ try: () => open(path, "w", 0o600), catch: failed(path, "written") }),
        (handle) => Effect.promise(() => handle.close())
      )
      yield* Stream.runForEach(pieces, (piece) =>
        Effect.tryPromise({ try: () => file.writeFile(piece), catch: failed(path, "written") })
      )
    })
  )
