/**
 * How far long work is: a bar on a terminal, silence elsewhere.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Output from "./Output.ts"

const barCells = 24
const interval = Duration.toMillis("80 millis")
const clearLine = "\r\u001B[2K"

/**
 * What a bar shows.
 *
 * @category models
 * @since 0.1.0
 */
export interface State {
  readonly done: number
  readonly failed?: number
  /** How many there are, where that is known. */
  readonly total?: number
}

/**
 * A bar as a line.
 *
 * **Example** (Half)
 *
 * ```ts
 * render("replaying", { done: 2, total: 4 }, 2000)
 * // => "replaying ████████████░░░░░░░░░░░░ 2/4 50 % 1/s"
 * ```
 *
 * @category formatting
 * @since 0.1.0
 */
export const render = (label: string, state: State, elapsedMillis: number): string => {
  const { done, failed = 0, total } = state
  const all = done + failed
  const rate = elapsedMillis === 0 ? "" : ` ${Math.round((all * 1_000) / elapsedMillis)}/s`
  const failures = failed === 0 ? "" : ` ${failed} failed`
  if (total === undefined || total === 0) return `${label} ${all}${failures}${rate}`
  const share = Math.min(1, all / total)
  const full = Math.round(share * barCells)
  const bar = "█".repeat(full) + "░".repeat(barCells - full)
  return `${label} ${bar} ${all}/${total} ${Math.floor(share * 100)} %${failures}${rate}`
}

/**
 * A bar that goes when its scope closes; the function moves it on.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  label: string
): Effect.fn.Return<(state: State) => Effect.Effect<void>, never, Output.Output | Scope.Scope> {
  const { canDraw, columns, draw } = yield* Output.Output
  if (!canDraw) return () => Effect.void
  const start = yield* Clock.currentTimeMillis
  let last = 0
  let isDrawn = false
  yield* Effect.addFinalizer(() => Effect.suspend(() => (isDrawn ? draw(clearLine) : Effect.void)))
  return (state) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (isDrawn && now - last < interval) return Effect.void
      last = now
      isDrawn = true
      return draw(clearLine + render(label, state, now - start).slice(0, columns - 1))
    })
})
