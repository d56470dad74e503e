import { assert, describe, it } from "@effect/vitest"
import * as svg from "../src/page/svg.ts"

const chart = (values: ReadonlyArray<number>, scale: "linear" | "log" = "linear"): string =>
  svg.bars({
    title: "Costs <of> A & B",
    description: "What they cost.",
    axis: "milliseconds",
    scale,
    groups: [
      {
        label: "a group",
        bars: values.map((value, index) => ({ label: `bar ${index}`, kind: "one", value }))
      }
    ]
  })

const widths = (text: string): ReadonlyArray<number> =>
  [...text.matchAll(/<rect class="c\d" x="250" y="[^"]+" width="([^"]+)"/gu)].map(([, width]) =>
    Number(width)
  )

/** Every tag that is opened is closed, and nothing is left of an escape. */
const isWellFormed = (text: string): boolean => {
  const open: Array<string> = []
  for (const [, end, name = "", self] of text.matchAll(/<(\/?)([a-z]+)(?:\s[^<>]*?)?(\/?)>/gu)) {
    if (self === "/") continue
    if (end === "") open.push(name)
    else if (open.pop() !== name) return false
  }
  return open.length === 0 && !/&(?!amp;|lt;|gt;)/u.test(text)
}

describe("bars", () => {
  it("are as long as what they show", () => {
    const [short = 0, long = 0] = widths(chart([100, 400]))
    assert.closeTo(long / short, 4, 0.02)
  })

  it("of a logarithmic scale grow by its powers", () => {
    const [one = 0, ten = 0, hundred = 0] = widths(chart([2, 20, 200], "log"))
    assert.closeTo(hundred - ten, ten - one, 0.2)
  })

  it("are named, and have their value, a title, a description and the axis in words", () => {
    const text = chart([12_345])
    for (const words of ["bar 0", "12,345", "milliseconds", "a group", "What they cost."]) {
      assert.include(text, `>${words}</`)
    }
    assert.include(text, "Costs &lt;of&gt; A &amp; B")
    assert.include(text, `role="img"`)
    assert.include(text, "prefers-color-scheme:dark")
    assert.isTrue(isWellFormed(text))
  })

  it("show how far two runs lay apart, and a mark with its words", () => {
    const text = svg.bars({
      title: "t",
      description: "d",
      axis: "a",
      scale: "linear",
      mark: { value: 50, label: "target" },
      groups: [{ label: "g", bars: [{ label: "b", kind: "k", value: 20, range: [10, 40] }] }]
    })
    assert.include(text, `class="range"`)
    assert.include(text, `class="mark"`)
    assert.include(text, ">target</text>")
    assert.notInclude(text, "NaN")
  })
})

describe("bars that begin at a value", () => {
  it("go to the left of it and to the right", () => {
    const text = svg.bars({
      title: "t",
      description: "d",
      axis: "a",
      scale: "log",
      from: 1,
      groups: [
        { label: "slower", bars: [{ label: "b", kind: "k", value: 0.5 }] },
        { label: "faster", bars: [{ label: "b", kind: "k", value: 2 }] }
      ]
    })
    const [slower, faster] = [
      ...text.matchAll(/<rect class="c0" x="([^"]+)" y="[^"]+" width="([^"]+)"/gu)
    ].map(([, x, width]) => ({ x: Number(x), width: Number(width) }))
    assert.closeTo(slower?.width ?? 0, faster?.width ?? 1, 0.2)
    assert.closeTo((slower?.x ?? 0) + (slower?.width ?? 0), faster?.x ?? 0, 0.2)
  })
})

describe("lines", () => {
  it("have a point for each size, and a name", () => {
    const text = svg.lines({
      title: "t",
      description: "d",
      xAxis: "size",
      yAxis: "cost",
      lines: [
        {
          label: "measured",
          points: [
            [1, 1],
            [10, 2],
            [100, 3]
          ]
        },
        {
          label: "computed",
          dashed: true,
          points: [
            [1, 1],
            [100, 7]
          ]
        }
      ]
    })
    const [measured = "", computed = ""] = [...text.matchAll(/points="([^"]+)"/gu)].map(
      ([, points]) => points
    )
    assert.strictEqual(measured.split(" ").length, 3)
    assert.strictEqual(computed.split(" ").length, 2)
    assert.include(text, ">measured</text>")
    assert.include(text, ">size</text>")
    assert.notInclude(text, "NaN")
    assert.isTrue(isWellFormed(text))
  })
})

describe("scaleOf", () => {
  it("begins at nothing and ends at or above the most, in round steps", () => {
    const { at, ticks } = svg.scaleOf("linear", [37, 210])
    assert.deepStrictEqual(ticks, [0, 50, 100, 150, 200, 250])
    assert.strictEqual(at(0), 0)
    assert.isBelow(at(210), 1)
  })

  it("has the powers of ten about what it shows", () => {
    const { at, ticks } = svg.scaleOf("log", [3, 420])
    assert.deepStrictEqual(ticks, [1, 10, 100, 1_000])
    assert.strictEqual(at(1), 0)
    assert.strictEqual(at(1_000), 1)
  })
})
