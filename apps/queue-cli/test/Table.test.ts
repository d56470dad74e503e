import { assert, describe, it } from "@effect/vitest"
import * as Style from "../src/Style.ts"
import * as Table from "../src/Table.ts"

const columns = [{ heading: "NAME" }, { heading: "COUNT", isRight: true }, { heading: "TEXT" }]

const render = (rows: ReadonlyArray<ReadonlyArray<string>>, cells: number) =>
  Table.render(columns, rows, { columns: cells, style: Style.none })

describe("Table", () => {
  it("stands in columns, numbers right, and no line ends in blanks", () => {
    const rows = [
      ["a", "1", "one"],
      ["long", "100", ""]
    ]
    assert.strictEqual(
      render(rows, 80),
      ["NAME  COUNT  TEXT", "a         1  one", "long    100"].join("\n")
    )
  })

  it("is never wider than the terminal: the last column gives way first", () => {
    const rows = [["name", "1", "a text that is much too long for it"]]
    const lines = render(rows, 30).split("\n")
    assert.strictEqual(lines[1], "name      1  a text that is m…")
    for (const line of render(rows, 16).split("\n")) assert.isAtMost(line.length, 17)
  })

  it("counts wide characters as two, and cuts between whole ones", () => {
    assert.strictEqual(Table.cut("ファイル", 5), "ファ…")
    assert.strictEqual(Table.cut("ファイル", 8), "ファイル")
    assert.strictEqual(Table.cut("👩‍👩‍👧x", 2), "…")
  })

  it("lets nothing of somebody else's act on the terminal", () => {
    assert.strictEqual(Table.printable("a\u001B[2Jb\r\nc\u202Ed"), "a·[2Jb··c·d")
    assert.notInclude(render([["\u001B]0;title\u0007", "1", "x"]], 80), "\u001B")
  })

  it("is coloured by column, headings bold", () => {
    const coloured = [{ heading: "A", style: Style.ansi.red }]
    const table = Table.render(coloured, [["x"]], { columns: 20, style: Style.ansi })
    assert.strictEqual(table, "\u001B[1mA\u001B[22m\n\u001B[31mx\u001B[39m")
  })
})

describe("Style", () => {
  it("NO_COLOR says no, FORCE_COLOR yes, and a terminal yes unless it is dumb", () => {
    const cases: ReadonlyArray<readonly [Record<string, string>, boolean, boolean]> = [
      [{}, true, true],
      [{}, false, false],
      [{ NO_COLOR: "" }, true, true],
      [{ NO_COLOR: "1" }, true, false],
      [{ NO_COLOR: "1", FORCE_COLOR: "1" }, true, false],
      [{ FORCE_COLOR: "1" }, false, true],
      [{ FORCE_COLOR: "0" }, true, false],
      [{ FORCE_COLOR: "false" }, true, false],
      [{ TERM: "dumb" }, true, false]
    ]
    for (const [environment, isTerminal, wanted] of cases) {
      const shown = JSON.stringify([environment, isTerminal])
      assert.strictEqual(Style.isWanted(environment, isTerminal), wanted, shown)
    }
  })

  it("colours no empty text, and nothing at all without colours", () => {
    assert.strictEqual(Style.ansi.red(""), "")
    assert.strictEqual(Style.none.red("x"), "x")
  })
})
