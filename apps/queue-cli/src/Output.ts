/**
 * Where words go: results to the standard output, as tables for people or as JSON for programs, and
 * everything else to the standard error.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Style from "./Style.ts"
import * as Table from "./Table.ts"

/**
 * What the process is attached to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly isInputTerminal: boolean
  readonly isOutputTerminal: boolean
  readonly isErrorTerminal: boolean
  readonly columns: number
  readonly write: (to: "output" | "error", text: string) => Effect.Effect<void>
}

/**
 * How words are put.
 *
 * @category services
 * @since 0.1.0
 */
export interface Service {
  /** Whether results are JSON. */
  readonly isJson: boolean
  /** Whether somebody sits there who can be asked. */
  readonly canAsk: boolean
  /** Whether a line on the standard error may be drawn over. */
  readonly canDraw: boolean
  /** Whether lines on the standard output may be drawn over. */
  readonly canRedraw: boolean
  /** Of results. */
  readonly style: Style.Style
  /** Of what goes to the standard error. */
  readonly errorStyle: Style.Style
  readonly columns: number
  /** A line of a result. */
  readonly print: (text: string) => Effect.Effect<void>
  /** A value of a result, one line of JSON. */
  readonly json: (value: unknown) => Effect.Effect<void>
  /** A result in either form. */
  readonly result: (value: unknown, text: () => string) => Effect.Effect<void>
  /** A table of results, or each row's value as a line of JSON. */
  readonly rows: <A>(
    values: ReadonlyArray<A>,
    toJson: (value: A) => unknown,
    columns: ReadonlyArray<Table.Column>,
    toRow: (value: A) => ReadonlyArray<string>
  ) => Effect.Effect<void>
  /** A line beside the result, for people. */
  readonly say: (text: string) => Effect.Effect<void>
  /** Text as it is, to the terminal of the standard error. */
  readonly draw: (text: string) => Effect.Effect<void>
  /** Text as it is, to the standard output. */
  readonly raw: (text: string) => Effect.Effect<void>
}

/**
 * The tag of the output.
 *
 * @category services
 * @since 0.1.0
 */
export class Output extends Context.Service<Output, Service>()("queue-runtime/Output") {}

const replace = (_key: string, value: unknown): unknown =>
  typeof value === "bigint" ? String(value) : value

/**
 * An output; without `json` a terminal gets tables, and anything else JSON.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  surroundings: Surroundings,
  options: { readonly json?: boolean } = {}
): Service => {
  const { environment, isErrorTerminal, isInputTerminal, isOutputTerminal, write } = surroundings
  const isJson = options.json ?? !isOutputTerminal
  const styleOf = (isTerminal: boolean) =>
    Style.isWanted(environment, isTerminal) ? Style.ansi : Style.none
  const style = styleOf(isOutputTerminal)
  const print = (text: string) => write("output", `${text}\n`)
  const json = (value: unknown) => print(JSON.stringify(value, replace))
  return {
    isJson,
    canAsk: isInputTerminal && isErrorTerminal,
    canDraw: isErrorTerminal && environment["TERM"] !== "dumb",
    canRedraw: isOutputTerminal && environment["TERM"] !== "dumb",
    style,
    errorStyle: styleOf(isErrorTerminal),
    columns: surroundings.columns,
    print,
    json,
    result: (value, text) => (isJson ? json(value) : print(text())),
    rows: (values, toJson, columns, toRow) =>
      isJson
        ? Effect.forEach(values, (value) => json(toJson(value)), { discard: true })
        : print(Table.render(columns, values.map(toRow), { columns: surroundings.columns, style })),
    say: (text) => write("error", `${text}\n`),
    draw: (text) => write("error", text),
    raw: (text) => write("output", text)
  }
}

const streams = { output: process.stdout, error: process.stderr }

/** Answers when the text is out, so that a slow reader slows the tool and no memory fills. */
const writeTo = (to: "output" | "error", text: string): Effect.Effect<void> =>
  Effect.callback((resume) => {
    streams[to].write(text, () => resume(Effect.void))
  })

/**
 * What this process is attached to, unless something else is provided.
 *
 * @category services
 * @since 0.1.0
 */
export const Surroundings: Context.Reference<Surroundings> = Context.Reference(
  "queue-runtime/Output/Surroundings",
  {
    defaultValue: () => ({
      environment: process.env,
      isInputTerminal: process.stdin.isTTY,
      isOutputTerminal: process.stdout.isTTY,
      isErrorTerminal: process.stderr.isTTY,
      columns: process.stdout.columns ?? 120,
      write: writeTo
    })
  }
)

/**
 * The output of this process.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: { readonly json?: boolean } = {}): Layer.Layer<Output> =>
  Layer.effect(
    Output,
    Effect.map(Surroundings, (found) => make(found, options))
  )
