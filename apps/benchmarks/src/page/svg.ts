/**
 * Charts as SVG, small enough to be read in a diff. Each has a background of its own and colours for a
 * light and a dark page, a title and a description for who does not see it, and its values in figures.
 */

/** A mark on a scale: a target, or "as much as the peer". */
export interface Mark {
  readonly value: number
  readonly label: string
}

export interface Bar {
  readonly label: string
  readonly value: number
  /** From the least to the most that was measured. */
  readonly range?: readonly [number, number]
  /** Bars of one kind have one colour; the kinds are named in a legend. */
  readonly kind: string
}

export interface Group {
  readonly label: string
  readonly bars: ReadonlyArray<Bar>
}

interface Head {
  readonly title: string
  /** What is seen, in a sentence or two. */
  readonly description: string
}

export interface Bars extends Head {
  /** What the values are, with their unit. */
  readonly axis: string
  readonly scale: "linear" | "log"
  readonly groups: ReadonlyArray<Group>
  /** Where bars begin: of a logarithmic scale, which has no nothing. Default: its lowest line. */
  readonly from?: number
  readonly mark?: Mark
}

export interface Line {
  readonly label: string
  readonly points: ReadonlyArray<readonly [x: number, y: number]>
  /** What is not measured is drawn in dashes. */
  readonly dashed?: true
}

export interface Lines extends Head {
  readonly xAxis: string
  readonly yAxis: string
  readonly lines: ReadonlyArray<Line>
}

const width = 760
const left = 250
const right = 90
const plot = width - left - right

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const fixed = (value: number): string => String(Math.round(value * 10) / 10)

/** Of colours that are told apart by who does not see all of them. */
const colours = ["#0969da", "#bf5700", "#1a7f37", "#8250df", "#9a6700"] as const
const darkColours = ["#4493f8", "#f0883e", "#3fb950", "#ab7df8", "#d29922"] as const

const style = `<style>
text{font:13px system-ui,sans-serif;fill:#1f2328}
.title{font-size:16px;font-weight:600}
.soft{fill:#59636e;font-size:12px}
.back{fill:#ffffff}
.grid{stroke:#d1d9e0}
.mark{stroke:#cf222e;stroke-dasharray:5 4}
.marked{fill:#cf222e;font-size:12px}
.range{stroke:#1f2328;stroke-width:1.5}
${colours.map((colour, index) => `.c${index}{fill:${colour};stroke:${colour}}`).join("\n")}
.line{fill:none;stroke-width:2.5}
.dashed{fill:none;stroke:#59636e;stroke-width:2;stroke-dasharray:6 4}
@media (prefers-color-scheme:dark){
text{fill:#f0f6fc}
.soft{fill:#9198a1}
.back{fill:#0d1117}
.grid{stroke:#3d444d}
.mark{stroke:#ff7b72}
.marked{fill:#ff7b72}
.range{stroke:#f0f6fc}
${darkColours.map((colour, index) => `.c${index}{fill:${colour};stroke:${colour}}`).join("\n")}
.line{fill:none}
.dashed{stroke:#9198a1}
}
</style>`

const document = ({ description, title }: Head, height: number, body: ReadonlyArray<string>) =>
  [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${fixed(height)}" viewBox="0 0 ${width} ${fixed(height)}" role="img" aria-labelledby="title description">`,
    `<title id="title">${escape(title)}</title>`,
    `<desc id="description">${escape(description)}</desc>`,
    style,
    `<rect class="back" width="100%" height="100%" rx="6"/>`,
    `<text class="title" x="16" y="28">${escape(title)}</text>`,
    ...body,
    "</svg>",
    ""
  ].join("\n")

const text = (x: number, y: number, value: string, rest = ""): string =>
  `<text x="${fixed(x)}" y="${fixed(y)}"${rest}>${escape(value)}</text>`

const line = (kind: string, x1: number, y1: number, x2: number, y2: number): string =>
  `<line class="${kind}" x1="${fixed(x1)}" y1="${fixed(y1)}" x2="${fixed(x2)}" y2="${fixed(y2)}"/>`

/** As tables have them. */
export const figure = (value: number): string =>
  value >= 100
    ? Math.round(value).toLocaleString("en")
    : value >= 10
      ? value.toFixed(0)
      : String(Number(value.toPrecision(2)))

/** A scale from values to places, and where its lines are. */
export interface Scale {
  readonly at: (value: number) => number
  readonly ticks: ReadonlyArray<number>
}

/** Steps of 1, 2 or 5 that make four to eight lines. */
const linear = (most: number): Scale => {
  const rough = most / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough) ?? power
  const end = Math.ceil(most / step) * step
  const count = Math.round(end / step)
  return {
    at: (value) => value / end,
    ticks: Array.from({ length: count + 1 }, (_, index) => index * step)
  }
}

/** Lines at the powers of ten, from the one below the least to the one above the most. */
const logarithmic = (least: number, most: number): Scale => {
  const from = Math.floor(Math.log10(least))
  const to = Math.max(from + 1, Math.ceil(Math.log10(most)))
  return {
    at: (value) => (Math.log10(value) - from) / (to - from),
    ticks: Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index))
  }
}

export const scaleOf = (kind: "linear" | "log", values: ReadonlyArray<number>): Scale =>
  kind === "linear"
    ? linear(Math.max(...values))
    : logarithmic(Math.min(...values), Math.max(...values))

const barHeight = 16
const barStep = 21
const groupGap = 14
const top = 76

const legend = (kinds: ReadonlyArray<string>, y: number): ReadonlyArray<string> => {
  let x = 16
  return kinds.flatMap((kind, index) => {
    const at = x
    x += 28 + kind.length * 7.5
    return [
      `<rect class="c${index}" x="${fixed(at)}" y="${fixed(y - 10)}" width="11" height="11"/>`,
      text(at + 17, y, kind, ` class="soft"`)
    ]
  })
}

/** Bars from left to right, in groups below each other. */
export const bars = (chart: Bars): string => {
  const all = chart.groups.flatMap((group) => group.bars)
  const kinds = [...new Set(all.map(({ kind }) => kind))]
  const marked = chart.mark === undefined ? [] : [chart.mark.value]
  const values = all.flatMap(({ range, value }) => [value, range ?? []].flat())
  const base = chart.from === undefined ? [] : [chart.from]
  const { at, ticks } = scaleOf(chart.scale, [...values, ...marked, ...base])
  const place = (value: number): number => left + Math.min(1, Math.max(0, at(value))) * plot
  const begin = chart.from === undefined ? left : place(chart.from)
  const body: Array<string> = []
  let y = top
  for (const group of chart.groups) {
    body.push(text(16, y + 13, group.label))
    // Beside its only bar, and above several.
    if (group.bars.length > 1 && group.label !== "") y += barStep
    for (const { kind, label, range, value } of group.bars) {
      const colour = kinds.indexOf(kind) % colours.length
      body.push(
        text(left - 8, y + 13, label, ` class="soft" text-anchor="end"`),
        `<rect class="c${colour}" x="${fixed(Math.min(begin, place(value)))}" y="${fixed(y)}" width="${fixed(Math.max(1, Math.abs(place(value) - begin)))}" height="${barHeight}"/>`
      )
      const middle = y + barHeight / 2
      if (range !== undefined && range[0] < range[1]) {
        body.push(line("range", place(range[0]), middle, place(range[1]), middle))
      }
      body.push(text(Math.max(begin, place(range?.[1] ?? value)) + 6, y + 13, figure(value)))
      y += barStep
    }
    y += groupGap
  }
  const grid = ticks.flatMap((tick) => [
    line("grid", place(tick), top - 6, place(tick), y - 6),
    text(place(tick), y + 10, figure(tick), ` class="soft" text-anchor="middle"`)
  ])
  const mark =
    chart.mark === undefined
      ? []
      : [
          line("mark", place(chart.mark.value), top - 8, place(chart.mark.value), y - 6),
          text(
            place(chart.mark.value),
            top - 12,
            chart.mark.label,
            ` class="marked" text-anchor="middle"`
          )
        ]
  const axis = text(left + plot / 2, y + 32, chart.axis, ` class="soft" text-anchor="middle"`)
  const named = kinds.length > 1 ? legend(kinds, 50) : []
  return document(chart, y + 46, [...named, ...grid, ...body, ...mark, axis])
}

const lineTop = 66
const lineHeight = 250
const lineLeft = 80
const lineWidth = 440

/** Lines over two logarithmic scales. */
export const lines = (chart: Lines): string => {
  const points = chart.lines.flatMap((one) => one.points)
  const x = scaleOf(
    "log",
    points.map(([size]) => size)
  )
  const y = scaleOf(
    "log",
    points.map(([, cost]) => cost)
  )
  const across = (size: number): number => lineLeft + x.at(size) * lineWidth
  const up = (cost: number): number => lineTop + (1 - y.at(cost)) * lineHeight
  const bottom = lineTop + lineHeight
  const grid = [
    ...x.ticks.flatMap((tick) => [
      line("grid", across(tick), lineTop, across(tick), bottom),
      text(across(tick), bottom + 18, figure(tick), ` class="soft" text-anchor="middle"`)
    ]),
    ...y.ticks.flatMap((tick) => [
      line("grid", lineLeft, up(tick), lineLeft + lineWidth, up(tick)),
      text(lineLeft - 8, up(tick) + 4, figure(tick), ` class="soft" text-anchor="end"`)
    ])
  ]
  let solid = 0
  const drawn = chart.lines.flatMap(({ dashed, label, points: along }, index) => {
    const kind = dashed === true ? "dashed" : `c${solid++ % colours.length} line`
    const path = along.map(([size, cost]) => `${fixed(across(size))},${fixed(up(cost))}`).join(" ")
    const named = lineTop + 14 + index * 24
    const begin = lineLeft + lineWidth + 16
    return [
      `<polyline class="${kind}" points="${path}"/>`,
      line(kind, begin, named - 4, begin + 24, named - 4),
      text(begin + 32, named, label, ` class="soft"`)
    ]
  })
  return document(chart, bottom + 50, [
    ...grid,
    ...drawn,
    text(lineLeft + lineWidth / 2, bottom + 38, chart.xAxis, ` class="soft" text-anchor="middle"`),
    text(16, lineTop - 12, chart.yAxis, ` class="soft"`)
  ])
}
