import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as Manifests from "../src/manifests.ts"
import * as Repository from "../src/repository.ts"

const oxlint = Repository.absolute("node_modules/.bin/oxlint")

describe("the lint rules of DESIGN §1", () => {
  let folder = ""
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "boundaries-"))
    copyFileSync(Repository.absolute(".oxlintrc.json"), join(folder, ".oxlintrc.json"))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  /** Lints one file that imports one module, in a tree of its own. */
  const lint = (path: string, specifier: string) => {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, `import * as A from "${specifier}"\n\nexport const a = A\n`)
    const args = ["-c", ".oxlintrc.json", path]
    const { status, stdout } = spawnSync(oxlint, args, { cwd: folder, encoding: "utf8" })
    rmSync(file)
    return { status, isRestricted: stdout.includes("no-restricted-imports") }
  }

  const forbidden: ReadonlyArray<readonly [string, string]> = [
    ["packages/core/src/A.ts", "@queue-runtime/provider-memory"],
    ["packages/core/src/A.ts", "@queue-runtime/sessions"],
    ["packages/core/src/A.ts", "../../provider-memory/src/index.ts"],
    ["packages/core/src/internal/a.ts", "../../../sessions/src/index.ts"],
    ["packages/core/src/A.ts", "@aws-sdk/client-sqs"],
    ["packages/core/src/A.ts", "@azure/service-bus"],
    ["packages/core/test/A.test.ts", "@queue-runtime/provider-memory"],
    ["packages/sessions/src/A.ts", "@queue-runtime/provider-memory"],
    ["packages/sessions/src/A.ts", "@queue-runtime/provider-aws"],
    ["packages/sessions/src/A.ts", "../../provider-memory/src/index.ts"],
    ["packages/sessions/src/A.ts", "../../core/src/QueueName.ts"],
    ["packages/sessions/src/A.ts", "@queue-runtime/resilience"],
    ["packages/sessions/test/A.test.ts", "@queue-runtime/provider-aws"],
    ["packages/provider-memory/src/A.ts", "@queue-runtime/sessions"],
    ["packages/provider-memory/src/A.ts", "../../sessions/src/index.ts"],
    ["packages/provider-memory/src/A.ts", "@queue-runtime/provider-aws"],
    ["packages/provider-memory/src/A.ts", "../../provider-aws/src/index.ts"],
    ["packages/provider-aws/src/A.ts", "@queue-runtime/provider-memory"],
    ["packages/provider-memory/src/internal/a.ts", "../../../core/src/index.ts"]
  ]

  it.each(forbidden)("refuse in %s an import of %s", (path, specifier) => {
    const { isRestricted, status } = lint(path, specifier)
    assert.strictEqual(status, 1)
    assert.isTrue(isRestricted)
  })

  const allowed: ReadonlyArray<readonly [string, string]> = [
    ["packages/core/src/A.ts", "effect/Effect"],
    ["packages/core/src/internal/a.ts", "../QueueName.ts"],
    ["packages/sessions/src/A.ts", "@queue-runtime/core"],
    ["packages/sessions/src/internal/a.ts", "../SessionKey.ts"],
    ["packages/sessions/test/A.test.ts", "@queue-runtime/provider-memory"],
    ["packages/provider-memory/src/A.ts", "@queue-runtime/core"],
    ["packages/provider-memory/src/A.ts", "./internal/broker.ts"],
    ["apps/webhook-bot/src/A.ts", "@queue-runtime/provider-memory"]
  ]

  it.each(allowed)("allow in %s an import of %s", (path, specifier) => {
    assert.deepStrictEqual(lint(path, specifier), { status: 0, isRestricted: false })
  })
})

describe("the package.json files", () => {
  const manifests = Manifests.all()

  it("are read", () => {
    const names = manifests.map(({ content }) => content.name)
    assert.includeMembers(names, ["@queue-runtime/core", "@queue-runtime/repo-checks"])
  })

  it("keep the arrows and the shape of a package", () => {
    assert.deepStrictEqual(manifests.flatMap(Manifests.problems), [])
  })
})

describe("problems", () => {
  const right: Manifests.Manifest = {
    folder: "packages/sessions",
    tags: ["policy"],
    content: {
      name: "@queue-runtime/sessions",
      description: "Sessions",
      license: "Apache-2.0",
      files: ["dist", "src"],
      sideEffects: false,
      exports: { "./internal/*": null },
      publishConfig: { exports: { "./internal/*": null } },
      dependencies: { "@queue-runtime/core": "workspace:^" },
      devDependencies: { "@queue-runtime/provider-memory": "workspace:^", vitest: "5" },
      peerDependencies: { effect: "^4.1.0" }
    }
  }
  const problems = (content: Partial<Manifests.Manifest["content"]>, tags = right.tags) =>
    Manifests.problems({ ...right, tags, content: { ...right.content, ...content } }).map((one) =>
      one.replace("packages/sessions/package.json: ", "")
    )
  const on = (name: string) => ({ [`@queue-runtime/${name}`]: "workspace:^" })

  it("are none of a right one", () => {
    assert.deepStrictEqual(problems({}), [])
    const provider = { devDependencies: on("contract-tests") }
    assert.deepStrictEqual(problems(provider, ["provider", "reference"]), [])
    assert.deepStrictEqual(problems({ dependencies: {}, devDependencies: {} }, ["port"]), [])
  })

  it("are dependencies against the arrows", () => {
    assert.deepStrictEqual(problems({ dependencies: on("provider-memory") }), [
      "a policy may not have provider-memory in dependencies"
    ])
    assert.deepStrictEqual(problems({ devDependencies: on("provider-aws") }), [
      "a policy may not have provider-aws in devDependencies"
    ])
    assert.deepStrictEqual(problems({ dependencies: on("sessions") }, ["provider"]), [
      "a provider may not have sessions in dependencies"
    ])
    assert.deepStrictEqual(problems({ devDependencies: {} }, ["port"]), [
      "a port may not have core in dependencies"
    ])
    assert.deepStrictEqual(problems({ devDependencies: on("contract-tests") }, ["port"]).length, 2)
    assert.deepStrictEqual(problems({ peerDependencies: { effect: "4", ...on("core") } }), [
      "a policy may not have core in peerDependencies"
    ])
    assert.deepStrictEqual(problems({ optionalDependencies: on("crypto") }), [
      "a policy may not have crypto in optionalDependencies"
    ])
  })

  it("are a missing tag, effect that is no peer, and a shape that is not the package's", () => {
    assert.deepStrictEqual(problems({}, ["app"]).length, 1)
    assert.deepStrictEqual(problems({ peerDependencies: {} }).length, 1)
    assert.deepStrictEqual(problems({ dependencies: { effect: "4.1.0" } }).length, 1)
    assert.deepStrictEqual(problems({ exports: { ".": "./src/index.ts" } }).length, 1)
    assert.deepStrictEqual(problems({ publishConfig: { exports: {} } }).length, 1)
    assert.deepStrictEqual(problems({ sideEffects: true }).length, 1)
    assert.deepStrictEqual(problems({ license: "MIT" }).length, 1)
    assert.deepStrictEqual(problems({ files: [] }).length, 2)
    assert.deepStrictEqual(problems({ description: "" }).length, 1)
  })

  it("are none of an app, which nobody imports", () => {
    const app = { ...right, folder: "apps/bot", tags: ["app"], content: { name: "bot" } }
    assert.deepStrictEqual(Manifests.problems(app), [])
  })
})
