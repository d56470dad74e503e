/**
 * What the demo shows: lines that stay, and one of progress.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/**
 * Where it is shown.
 *
 * @category services
 * @since 0.1.0
 */
export class Output extends Context.Service<
  Output,
  {
    readonly line: (text: string) => Effect.Effect<void>
    /** On a terminal each one replaces the one before; elsewhere it is a line. */
    readonly progress: (text: string) => Effect.Effect<void>
  }
>()("@queue-runtime/webhook-bot/demo/Output") {}

/**
 * A stream of text that may be a terminal: `process.stdout`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sink {
  readonly isTTY?: boolean
  /** Of a terminal. */
  readonly columns?: number
  readonly write: (text: string) => unknown
}

const columnsDefault = 80

const eraseLine = "\r\u001B[2K"

/**
 * Shows on a stream of text.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (sink: Sink): Layer.Layer<Output> =>
  Layer.sync(Output, () => {
    const isTerminal = sink.isTTY === true
    let isOpen = false
    const write = (text: string): Effect.Effect<void> =>
      Effect.sync(() => {
        sink.write(isOpen ? eraseLine + text : text)
        isOpen = false
      })
    return {
      line: (text) => write(`${text}\n`),
      progress: (text) =>
        isTerminal
          ? Effect.andThen(
              // A line that wraps could not be replaced.
              write(text.slice(0, (sink.columns ?? columnsDefault) - 1)),
              Effect.sync(() => {
                isOpen = true
              })
            )
          : write(`${text}\n`)
    }
  })
