/**
 * Rows under headings, as wide as the terminal and no wider.
 *
 * @since 0.1.0
 */
import { displayWidth } from "effect/cli/CliOutput"
import type * as Style from "./Style.ts"

/**
 * One column.
 *
 * @category models
 * @since 0.1.0
 */
export interface Column {
  readonly heading: string
  /** Numbers stand right. */
  readonly isRight?: boolean
  /** Colours a cell. */
  readonly style?: (text: string) => string
}

const gap = "  "
const cellMin = 4

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" })

const controls = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/**
 * Text of somebody else's that cannot do anything to a terminal: control characters and marks of
 * direction are shown as `·`.
 *
 * **Example** (An escape sequence)
 *
 * ```ts
 * printable("a\u001B[2Jb") // => "a·[2Jb"
 * ```
 *
 * @category formatting
 * @since 0.1.0
 */
export const printable = (text: string): string => text.replace(controls, "·")

/**
 * Text cut to so many cells, with an ellipsis where something is missing.
 *
 * @category formatting
 * @since 0.1.0
 */
export const cut = (text: string, cells: number): string => {
  if (displayWidth(text) <= cells) return text
  let kept = ""
  let width = 0
  for (const { segment } of segmenter.segment(text)) {
    const next = width + displayWidth(segment)
    if (next > cells - 1) break
    kept += segment
    width = next
  }
  return `${kept}…`
}

const pad = (text: string, cells: number, isRight: boolean): string => {
  const fill = " ".repeat(Math.max(0, cells - displayWidth(text)))
  return isRight ? fill + text : text + fill
}

/** The last column gives way first: it is the longest text. */
const widthsOf = (
  columns: ReadonlyArray<Column>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  cells: number
): ReadonlyArray<number> => {
  const widths = columns.map(({ heading }, index) =>
    Math.max(displayWidth(heading), ...rows.map((row) => displayWidth(row[index] ?? "")))
  )
  let over =
    widths.reduce((sum, width) => sum + width, 0) + gap.length * (columns.length - 1) - cells
  for (let index = widths.length - 1; index >= 0 && over > 0; index--) {
    const width = widths[index] ?? 0
    const kept = Math.max(Math.min(width, cellMin), width - over)
    over -= width - kept
    widths[index] = kept
  }
  return widths
}

/**
 * The table as lines.
 *
 * @category formatting
 * @since 0.1.0
 */
export const render = (
  columns: ReadonlyArray<Column>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  options: { readonly columns: number; readonly style: Style.Style }
): string => {
  const shown = rows.map((row) => row.map(printable))
  const widths = widthsOf(columns, shown, options.columns)
  const line = (
    cells: ReadonlyArray<string>,
    styleOf: (column: Column) => (text: string) => string
  ): string =>
    columns
      .map((column, index) => {
        const width = widths[index] ?? 0
        const text = pad(cut(cells[index] ?? "", width), width, column.isRight === true)
        return styleOf(column)(text)
      })
      .join(gap)
      .trimEnd()
  const head = line(
    columns.map(({ heading }) => heading),
    () => options.style.bold
  )
  const body = shown.map((row) => line(row, (column) => column.style ?? ((text) => text)))
  return [head, ...body].join("\n")
}
