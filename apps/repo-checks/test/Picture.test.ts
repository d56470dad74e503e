import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Blocks from "../src/blocks.ts"
import type * as Manifests from "../src/manifests.ts"
import * as Picture from "../src/picture.ts"
import * as Readme from "../src/readme.ts"
import * as Repository from "../src/repository.ts"

const manifest = (
  name: string,
  content: Partial<Manifests.Manifest["content"]> = {}
): Manifests.Manifest => ({
  folder: `packages/${name}`,
  content: { name: `@queue-runtime/${name}`, ...content },
  tags: []
})

const core = manifest("core", {
  description: "Ports | values",
  dependencies: { "left-pad": "1" },
  peerDependencies: { effect: "^4" }
})
const sessions = manifest("sessions", {
  description: "Sessions",
  dependencies: { "@queue-runtime/core": "workspace:^" },
  devDependencies: { "@queue-runtime/memory": "workspace:^", "@queue-runtime/core": "workspace:^" },
  peerDependencies: { "@queue-runtime/other": "workspace:^" }
})

describe("graph", () => {
  it("has an arrow for a dependency and a dotted one for a devDependency of the workspace", () => {
    const expected = [
      "```mermaid",
      "graph LR",
      "  core",
      "  sessions",
      "  sessions --> core",
      "  sessions -.-> memory",
      "```"
    ]
    assert.deepStrictEqual(Picture.graph([core, sessions]).split("\n"), expected)
  })
})

describe("table", () => {
  it("has a row for each package with its link and description", () => {
    assert.deepStrictEqual(Picture.table([core, sessions]).split("\n"), [
      "| package | what it is |",
      "|---|---|",
      String.raw`| [${"`@queue-runtime/core`"}](packages/core) | Ports \| values |`,
      "| [`@queue-runtime/sessions`](packages/sessions) | Sessions |"
    ])
  })
})

describe("render", () => {
  const page = "# A\n<!-- generated:a -->\nold\n<!-- /generated:a -->\nb\n"

  it("puts a block between its markers and leaves the rest", () => {
    const expected = "# A\n<!-- generated:a -->\nnew $& text\n<!-- /generated:a -->\nb\n"
    const rendered = Blocks.render(page, { a: "new $& text" })
    assert.deepStrictEqual(rendered, Result.succeed(expected))
    assert.deepStrictEqual(Blocks.render(expected, { a: "new $& text" }), Result.succeed(expected))
  })

  it("tells which markers are missing, or out of order", () => {
    assert.deepStrictEqual(Blocks.render(page, { a: "", b: "", c: "" }), Result.fail(["b", "c"]))
    const turned = "<!-- /generated:a -->\n<!-- generated:a -->"
    assert.deepStrictEqual(Blocks.render(turned, { a: "" }), Result.fail(["a"]))
  })
})

describe("missingMarkers", () => {
  it("asks for each pair", () => {
    assert.strictEqual(
      Readme.missingMarkers(["a"]),
      "README.md lacks <!-- generated:a --> and <!-- /generated:a -->"
    )
  })
})

describe("README.md", () => {
  it("has the markers of the generated parts", () => {
    const rendered = Blocks.render(Repository.readOrEmpty(Readme.path).text, Readme.blocks())
    const missing = Result.isFailure(rendered) ? Readme.missingMarkers(rendered.failure) : ""
    assert.strictEqual(missing, "")
  })

  it("is what pnpm codegen makes", () => {
    const page = Repository.readOrEmpty(Readme.path).text
    const rendered = Blocks.render(page, Readme.blocks())
    const isFresh = Result.isSuccess(rendered) && rendered.success === page
    assert.isTrue(isFresh, "README.md is stale: run pnpm codegen")
  })
})

describe("quickstart", () => {
  it("is a fence that is compiled", () => {
    assert.strictEqual(Picture.quickstart("a\nb\n"), "```ts no-run\na\nb\n```")
  })

  it("has at most 30 lines", () => {
    assert.isTrue(Repository.exists(Readme.quickstartPath), `${Readme.quickstartPath} is missing`)
    const lines = Repository.readOrEmpty(Readme.quickstartPath).text.trimEnd().split("\n")
    assert.isAtMost(lines.length, 30)
  })
})
