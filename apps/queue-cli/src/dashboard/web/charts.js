/**
 * Charts over time, each with its numbers as a table for who does not see it.
 *
 * @since 0.1.0
 */
import { fill, h, setText } from "./dom.js"
import * as format from "./format.js"
import uPlot from "./uplot.js"

const height = 170

/** Rows of a chart's table: enough to follow it, few enough to listen to. */
const rowsMax = 24

const scheme = matchMedia("(prefers-color-scheme: dark)")

/** @param {string} name */
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** Steps that whole numbers go by. */
const counts = [1, 2, 5].flatMap((step) =>
  Array.from({ length: 10 }, (_, power) => step * 10 ** power)
)
counts.sort((a, b) => a - b)

/**
 * @typedef {{ label: string, color: string }} Series
 * @typedef {{
 *   title: string,
 *   note?: string,
 *   series: ReadonlyArray<Series>,
 *   show: (value: number) => string,
 *   bars?: boolean,
 *   stepMillis?: number,
 *   steps?: Array<number>
 * }} ChartOptions
 */

/** One chart: call `update` with new numbers, `close` when it goes. */
export class Chart {
  #options
  /** @type {uPlot | undefined} */
  #plot
  #times = /** @type {ReadonlyArray<number>} */ ([])
  #values = /** @type {ReadonlyArray<ReadonlyArray<number | null>>} */ ([])
  #canvas = h("div", { class: "canvas", role: "img" })
  #legend = h("ul", { class: "legend", "aria-hidden": "true" })
  #empty = h("p", { class: "empty" })
  #table = h("div", { class: "scroll", tabindex: "0" })
  #details = h("details", { class: "numbers" }, h("summary", {}, "Numbers"), this.#table)
  #observer = new ResizeObserver(() => this.#resize())
  #repaint = () => this.#draw()
  element

  /** @param {ChartOptions} options */
  constructor(options) {
    this.#options = options
    this.element = h(
      "figure",
      { class: "card chart" },
      h(
        "figcaption",
        {},
        h("h3", {}, options.title),
        options.note === undefined ? null : h("p", { class: "muted" }, options.note)
      ),
      this.#legend,
      this.#canvas,
      this.#empty,
      this.#details
    )
    this.#details.addEventListener("toggle", () => this.#tabulate())
    this.#table.setAttribute("role", "region")
    this.#table.setAttribute("aria-label", `Numbers of ${options.title}`)
    this.#observer.observe(this.#canvas)
    scheme.addEventListener("change", this.#repaint)
  }

  close() {
    this.#observer.disconnect()
    scheme.removeEventListener("change", this.#repaint)
    this.#plot?.destroy()
    this.#plot = undefined
  }

  /**
   * @param {ReadonlyArray<number>} times in milliseconds, growing
   * @param {ReadonlyArray<ReadonlyArray<number | null>>} values one list a series
   * @param {{ empty?: string, series?: ReadonlyArray<Series>, stepMillis?: number }} [changes]
   */
  update(times, values, { empty = "", ...changes } = {}) {
    const isOther =
      changes.series !== undefined &&
      changes.series.map(({ label }) => label).join("\n") !==
        this.#options.series.map(({ label }) => label).join("\n")
    this.#options = { ...this.#options, ...changes }
    this.#times = times
    this.#values = values
    const isEmpty = values.every((series) => series.every((value) => value === null))
    this.element.classList.toggle("is-empty", isEmpty)
    setText(this.#empty, isEmpty ? empty : "")
    this.#canvas.setAttribute("aria-label", isEmpty ? empty : this.#summary())
    this.#legendOf(this.#plot?.cursor.idx ?? null)
    if (this.#plot === undefined || isOther) this.#draw()
    else this.#plot.setData(this.#data())
    this.#tabulate()
  }

  /** What the chart shows, in a sentence. */
  #summary() {
    const { bars, series, show, title } = this.#options
    const told = series.flatMap(({ label }, index) => {
      const known = (this.#values[index] ?? []).filter((value) => value !== null)
      const last = known.at(-1)
      if (last === undefined) return []
      if (bars) return [`${label}: ${show(known.reduce((sum, value) => sum + value, 0))} in all`]
      return [
        `${label}: last ${show(last)}, lowest ${show(Math.min(...known))}, highest ${show(Math.max(...known))}`
      ]
    })
    return `${title}. ${told.join(". ")}.`
  }

  /**
   * What is under the pointer, else the last of each; of bars how many in all.
   *
   * @param {number | null} [index]
   */
  #legendOf(index = null) {
    const { bars, series, show } = this.#options
    const at = index === null ? undefined : this.#times[index]
    fill(
      this.#legend,
      series.map(({ color, label }, one) => {
        const values = this.#values[one] ?? []
        const known = values.filter((value) => value !== null)
        const total = known.reduce((sum, value) => sum + value, 0)
        const shown = index === null ? (bars ? total : known.at(-1)) : values[index]
        const swatch = h("span", { class: "swatch" })
        swatch.style.background = `var(${color})`
        return h("li", {}, swatch, label, h("b", {}, shown == null ? "—" : show(shown)))
      }),
      at === undefined ? null : h("li", { class: "muted" }, format.dateTime(at))
    )
  }

  #tabulate() {
    if (!this.#details.open) return
    const { bars, series, show, title } = this.#options
    const stride = bars ? 1 : Math.max(1, Math.ceil(this.#times.length / rowsMax))
    const rows = this.#times.map((_, index) => index).toReversed()
    fill(
      this.#table,
      h(
        "table",
        {},
        h("caption", { class: "hidden" }, title),
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col" }, "Time"),
            series.map(({ label }) => h("th", { scope: "col", class: "number" }, label))
          )
        ),
        h(
          "tbody",
          {},
          rows
            .filter((_, position) => position % stride === 0)
            .map((index) =>
              h(
                "tr",
                {},
                h("th", { scope: "row" }, format.dateTime(this.#times[index] ?? 0)),
                series.map((_, one) => {
                  const value = this.#values[one]?.[index] ?? null
                  return h("td", { class: "number" }, value === null ? "not known" : show(value))
                })
              )
            )
        )
      )
    )
  }

  /**
   * Bars stand on each other; the highest is drawn first.
   *
   * @returns {uPlot.AlignedData}
   */
  #data() {
    const seconds = this.#times.map((millis) => millis / 1000)
    if (!this.#options.bars) return [seconds, ...this.#values.map((series) => [...series])]
    const half = (this.#options.stepMillis ?? 0) / 2000
    const stacked = []
    let below = this.#times.map(() => 0)
    for (const series of this.#values) {
      below = below.map((sum, index) => sum + (series[index] ?? 0))
      stacked.unshift(below)
    }
    return [seconds.map((second) => second + half), ...stacked]
  }

  #axes() {
    const { show, steps = counts } = this.#options
    const common = {
      stroke: css("--muted"),
      font: "12px system-ui, sans-serif",
      grid: { stroke: css("--grid"), width: 1 },
      ticks: { show: false }
    }
    const span = (this.#times.at(-1) ?? 0) - (this.#times[0] ?? 0)
    const label =
      span > 36 * 3_600_000 ? format.day : span > 600_000 ? format.time : format.timeSeconds
    return [
      {
        ...common,
        space: 80,
        size: 30,
        values: (/** @type {unknown} */ _, /** @type {ReadonlyArray<number>} */ ticks) =>
          ticks.map((second) => label(second * 1000))
      },
      {
        ...common,
        size: 62,
        incrs: steps,
        values: (/** @type {unknown} */ _, /** @type {ReadonlyArray<number>} */ ticks) =>
          ticks.map((value) => show(value))
      }
    ]
  }

  #series() {
    const { bars, series } = this.#options
    const drawn = bars ? series.toReversed() : series
    const paths = bars ? uPlot.paths.bars?.({ size: [0.85, 40, 1], align: 0 }) : undefined
    return drawn.map(({ color, label }) => {
      const line = { label, stroke: css(color), points: { show: false }, spanGaps: false }
      return paths === undefined
        ? Object.assign(line, { width: 2 })
        : Object.assign(line, { width: 0, fill: css(color), paths })
    })
  }

  #draw() {
    this.#plot?.destroy()
    this.#plot = undefined
    const width = this.#canvas.clientWidth
    if (width === 0 || this.#values.length === 0) return
    const half = (this.#options.stepMillis ?? 0) / 1000
    this.#plot = new uPlot(
      {
        width,
        height,
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, points: { size: 6, show: !this.#options.bars } },
        hooks: { setCursor: [(plot) => this.#legendOf(plot.cursor.idx ?? null)] },
        scales: {
          x: {
            time: true,
            range: (
              /** @type {unknown} */ _,
              /** @type {number} */ min,
              /** @type {number} */ max
            ) =>
              this.#options.bars ? [min - half, max + half] : [min, max === min ? min + 60 : max]
          },
          y: {
            range: (
              /** @type {unknown} */ _,
              /** @type {number | null} */ min,
              /** @type {number | null} */ max
            ) => [Math.min(0, (min ?? 0) * 1.1), Math.max(4, (max ?? 0) * 1.1)]
          }
        },
        axes: this.#axes(),
        series: [{}, ...this.#series()]
      },
      this.#data(),
      this.#canvas
    )
  }

  #resize() {
    const width = this.#canvas.clientWidth
    if (width === 0) return
    if (this.#plot === undefined) this.#draw()
    else if (this.#plot.width !== width) this.#plot.setSize({ width, height })
  }
}
