/** The tool as a process of its own, behind pipes or at a terminal. */
import * as pty from "@lydell/node-pty"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { stripVTControlCharacters } from "node:util"

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url))

const nodeArgs = ["--conditions=@queue-runtime/source", main]

/** Nothing of what this machine is set up with, unless a test says so. */
const environmentOf = (environment: Readonly<Record<string, string>>): Record<string, string> => ({
  PATH: process.env["PATH"] ?? "",
  HOME: "/nonexistent",
  ...environment
})

export interface Where {
  readonly cwd: string
  readonly environment: Readonly<Record<string, string>>
}

/** Whatever it waits for must come long before. */
const deadline = Duration.seconds(25)

/** Waits for a condition; what is not met in time says what was there instead. */
export const untilEffect = <A>(
  what: string,
  look: Effect.Effect<A | undefined | false>,
  shown: () => string = () => ""
): Effect.Effect<A> =>
  Effect.gen(function* () {
    while (true) {
      const found = yield* look
      if (found !== undefined && found !== false) return found
      yield* Effect.sleep("20 millis")
    }
  }).pipe(
    Effect.timeoutOrElse({
      duration: deadline,
      orElse: () => Effect.die(new Error(`${what} did not come:\n${shown()}`))
    })
  )

/** {@link untilEffect} of what can be looked at without an effect. */
export const until = <A>(
  what: string,
  look: () => A | undefined | false,
  shown?: () => string
): Effect.Effect<A> => untilEffect(what, Effect.sync(look), shown)

export interface Ended {
  readonly code: number | null
  readonly output: string
  readonly error: string
}

export interface Piped {
  readonly child: ChildProcessWithoutNullStreams
  readonly output: () => string
  readonly error: () => string
  readonly ended: Effect.Effect<Ended>
}

/** Starts it behind pipes; it ends with the scope at the latest. */
export const start = (
  where: Where,
  args: ReadonlyArray<string>,
  options: {
    readonly input?: string | undefined
    /** Whether more may come behind the input. */
    readonly isInputOpen?: boolean
    readonly isRead?: boolean
  } = {}
): Effect.Effect<Piped, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(process.execPath, [...nodeArgs, ...args], {
          cwd: where.cwd,
          env: environmentOf(where.environment)
        })
        if (options.isInputOpen === true) child.stdin.write(options.input ?? "")
        else if (options.input === undefined) child.stdin.end()
        else child.stdin.end(options.input)
        return child
      }),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    ),
    (child) => {
      let output = ""
      let error = ""
      let code: number | null | undefined
      if (options.isRead !== false) child.stdout.on("data", (data) => (output += String(data)))
      child.stderr.on("data", (data) => (error += String(data)))
      // Without a reader the pipe never ends: the process alone is waited for.
      child.on(options.isRead === false ? "exit" : "close", (ended) => (code = ended))
      const isOver = () => (code === undefined ? undefined : { code, output, error })
      return {
        child,
        output: () => output,
        error: () => error,
        ended: until(`the end of ${args.join(" ")}`, isOver, () => output + error)
      }
    }
  )

/** Runs it behind pipes. */
export const run = (
  where: Where,
  args: ReadonlyArray<string>,
  input?: string
): Effect.Effect<Ended> =>
  Effect.scoped(Effect.flatMap(start(where, args, { input }), ({ ended }) => ended))

const decodeLine = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))
)

/** The lines of JSON it printed. */
export const lines = ({ output }: Ended): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  output
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => decodeLine(line))

export interface Terminal {
  /** Everything that was ever shown. */
  readonly text: () => string
  /** Waits until it shows this. */
  readonly shows: (pattern: RegExp) => Effect.Effect<void>
  readonly type: (text: string) => Effect.Effect<void>
  readonly ended: Effect.Effect<{ readonly code: number; readonly text: string }>
}

const terminalColumns = 160

/** Starts it at a terminal; it ends with the scope at the latest. */
export const atTerminal = (
  where: Where,
  args: ReadonlyArray<string>
): Effect.Effect<Terminal, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const child = pty.spawn(process.execPath, [...nodeArgs, ...args], {
          cwd: where.cwd,
          env: environmentOf({ TERM: "xterm-256color", ...where.environment }),
          cols: terminalColumns,
          rows: 50
        })
        const state: { text: string; code: number | undefined } = { text: "", code: undefined }
        child.onData((data) => (state.text += data))
        child.onExit(({ exitCode }) => (state.code = exitCode))
        return { child, state }
      }),
      ({ child, state }) =>
        Effect.sync(() => {
          if (state.code === undefined) child.kill("SIGKILL")
        })
    ),
    ({ child, state }) => ({
      text: () => state.text,
      shows: (pattern) =>
        Effect.asVoid(
          until(
            String(pattern),
            () => pattern.test(state.text),
            () => state.text
          )
        ),
      type: (text) => Effect.sync(() => child.write(text)),
      ended: until(
        `the end of ${args.join(" ")}`,
        () => (state.code === undefined ? undefined : { code: state.code, text: state.text }),
        () => state.text
      )
    })
  )

/** Ctrl-C. */
export const ctrlC = "\u0003"

/** Runs it at a terminal; `answer` is typed when it asks. */
export const runAtTerminal = (
  where: Where,
  args: ReadonlyArray<string>,
  answer?: string
): Effect.Effect<{ readonly code: number; readonly text: string }> =>
  Effect.scoped(
    Effect.gen(function* () {
      const terminal = yield* atTerminal(where, args)
      if (answer !== undefined) {
        yield* terminal.shows(/\?.*\(y\/N\)/u)
        yield* terminal.type(answer)
      }
      return yield* terminal.ended
    })
  )

/** What a person reads. */
export const plain = stripVTControlCharacters

/** Whether there are colours in it. */
export const isColoured = (text: string): boolean => text.includes("\u001B[3")
