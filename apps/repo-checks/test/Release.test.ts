import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, posix } from "node:path"
import { parse } from "yaml"
import * as Auditing from "../src/release/auditing.ts"
import * as Identity from "../src/release/identity.ts"
import * as Preparing from "../src/release/preparing.ts"
import * as Registry from "../src/release/registry.ts"
import * as Repository from "../src/repository.ts"
import * as Tarball from "../src/release/tarball.ts"

const repository = "https://git.example/acme/queue-runtime"
const place = { repository, folder: "packages/core" }

describe("the address of the repository", () => {
  it("is taken as links take it, and nothing else is one", () => {
    for (const address of [repository, `git+${repository}.git`, `${repository}/`]) {
      assert.strictEqual(Identity.webAddress(address), repository)
    }
    for (const address of ["acme/queue-runtime", "git@git.example:acme/x.git", "https://a/b"]) {
      assert.isUndefined(Identity.webAddress(address), address)
    }
  })

  it("is needed for a release, and stands in one place", () => {
    assert.deepStrictEqual(
      Preparing.repositoryOf(`{ "repository": { "url": "${repository}" } }`),
      repository
    )
    assert.deepStrictEqual(Preparing.repositoryOf(`{ "repository": "${repository}" }`), repository)
    assert.isUndefined(Preparing.repositoryOf("{}"))
    for (const missing of [undefined, "somewhere"]) {
      assert.isTrue(Result.isFailure(Preparing.prepare(missing)), missing)
    }
  })
})

describe("provenance", () => {
  it("is asked for, by whichever of the two publishes", () => {
    const workspace: unknown = parse(Repository.read("pnpm-workspace.yaml").text)
    assert.strictEqual(Object(workspace).provenance, true)
    for (const folder of Preparing.publicFolders()) {
      const manifest: unknown = JSON.parse(Repository.read(`${folder}/package.json`).text)
      assert.strictEqual(Object(manifest).publishConfig.provenance, true, folder)
    }
  })
})

describe("a changelog", () => {
  it("says what users notice, and in one line what came along", () => {
    const changelog = Repository.absolute("scripts/changelog.mjs")
    const program = `
      const { default: log } = await import(${JSON.stringify(changelog)})
      const updated = [{ name: "a", newVersion: "0.1.0" }, { name: "b", newVersion: "0.1.0" }]
      console.log(await log.getReleaseLine({ commit: "06e38b2", summary: "One.\\n\\nMore." }))
      console.log(await log.getDependencyReleaseLine([{}, {}], updated))
      console.log(await log.getDependencyReleaseLine([{}], []))`
    const { stderr, stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      encoding: "utf8"
    })
    assert.strictEqual(stdout, "- One.\n\n  More.\n- Updated a@0.1.0, b@0.1.0\n\n", stderr)
    const config: unknown = JSON.parse(Repository.read(".changeset/config.json").text)
    assert.strictEqual(Object(config).changelog, "../scripts/changelog.mjs")
  })
})

describe("links between pages", () => {
  it.each(Repository.pages().map(({ path, text }) => [path, text] as const))(
    "of %s lead to what is there",
    (path, text) => {
      const missing = Identity.relativeLinks(text)
        .map((target) => posix.join(posix.dirname(path), target.split("#")[0] ?? ""))
        .filter((target) => !Repository.exists(target))
      assert.deepStrictEqual(missing, [])
    }
  )
})

describe("a prepared package", () => {
  const prepared = Result.getOrThrow(Preparing.prepare(repository))
  const of = (path: string) => prepared.find((one) => one.path === path)?.text ?? ""

  it("says in its manifest where it comes from, and nothing else has changed", () => {
    const before: unknown = JSON.parse(Repository.read("packages/core/package.json").text)
    const after: unknown = JSON.parse(of("packages/core/package.json"))
    assert.deepStrictEqual(after, { ...Object(before), ...Identity.fields(place) })
    assert.deepStrictEqual(Identity.fields(place).repository, {
      type: "git",
      url: `git+${repository}.git`,
      directory: "packages/core"
    })
  })

  it("has links that lead somewhere", () => {
    const folders = Preparing.publicFolders()
    assert.includeMembers([...folders], ["packages/core", "apps/queue-cli"])
    assert.notInclude(folders, "apps/conformance")
    for (const folder of folders) {
      for (const target of Identity.relativeLinks(of(`${folder}/README.md`))) {
        assert.isFalse(target.startsWith(".."), `${folder}: ${target}`)
      }
      // What the links of today lead to is there.
      for (const target of Identity.relativeLinks(
        Repository.readOrEmpty(`${folder}/README.md`).text
      )) {
        assert.isTrue(Repository.exists(join(folder, target.split("#")[0] ?? "")), target)
      }
    }
    assert.include(
      of("apps/queue-cli/README.md"),
      `(${repository}/blob/queue-runtime@0.0.0/docs/configuration.md)`
    )
    assert.include(of("apps/queue-cli/README.md"), "(docs/dashboard.md)")
  })

  it("keeps what is no link out of it", () => {
    const page = "[a](https://a.b/c) [b](#d) [c](../x.md#e) ![d](../i.png)\n[e]: ../../LICENSE\n"
    assert.strictEqual(
      Identity.absoluteLinks(page, place, "v1", () => false),
      `[a](https://a.b/c) [b](#d) [c](${repository}/blob/v1/packages/x.md#e) ` +
        `![d](${repository}/raw/v1/packages/i.png)\n[e]: ${repository}/blob/v1/LICENSE\n`
    )
  })
})

const manifest = {
  name: "@queue-runtime/core",
  version: "0.1.0",
  license: "Apache-2.0",
  keywords: ["queue"],
  ...Identity.fields(place),
  exports: { ".": { types: "./dist/index.d.ts", default: "./dist/index.js" } },
  publishConfig: { access: "public", provenance: true },
  dependencies: { "@queue-runtime/sessions": "^0.1.0", tinyqueue: "^3.0.0" }
}

const files = {
  "README.md": "[b](dist/index.js)",
  LICENSE: "",
  "CHANGELOG.md": "",
  "dist/index.d.ts": "",
  "dist/index.js": "export {}\n//# sourceMappingURL=index.js.map",
  "dist/index.js.map": JSON.stringify({ sources: ["../src/index.ts"] }),
  "src/index.ts": ""
}

const tarball = (
  changes: Readonly<Record<string, unknown>>,
  otherFiles: Readonly<Record<string, string | undefined>> = {}
): Tarball.Tarball => {
  const text = JSON.stringify({ ...manifest, ...changes })
  const all = Object.entries({ ...files, "package.json": text, ...otherFiles })
  return {
    files: new Map(all.flatMap(([path, one]) => (one === undefined ? [] : [[path, one]]))),
    packedBytes: 1_000
  }
}

describe("the problems of a tarball", () => {
  const of = (
    changes: Readonly<Record<string, unknown>>,
    otherFiles?: Readonly<Record<string, string | undefined>>
  ) =>
    Tarball.problems(tarball(changes, otherFiles), "0.1.0", ["/home/somebody"]).map((one) =>
      one.replace("@queue-runtime/core: ", "")
    )

  it("are none of a right one", () => {
    assert.deepStrictEqual(of({}), [])
  })

  const wrong: ReadonlyArray<
    readonly [
      string,
      Readonly<Record<string, unknown>>,
      Readonly<Record<string, string | undefined>>,
      RegExp
    ]
  > = [
    ["another version", { version: "0.2.0", dependencies: {} }, {}, /^its version is 0\.2\.0$/u],
    ["a range of the workspace", { dependencies: { a: "workspace:^" } }, {}, /a as workspace:\^$/u],
    [
      "a range of a catalog",
      { peerDependencies: { effect: "catalog:peer" } },
      {},
      /catalog:peer$/u
    ],
    ["an older sibling", { dependencies: { "@queue-runtime/a": "^0.0.9" } }, {}, /not \^0\.1\.0$/u],
    ["no provenance", { publishConfig: {} }, {}, /^publishConfig\.provenance is not true$/u],
    ["no repository", { repository: undefined }, {}, /^repository is missing$/u],
    ["a script at installation", { scripts: { postinstall: "x" } }, {}, /runs a script/u],
    ["no README", {}, { "README.md": undefined }, /^README\.md is missing$/u],
    ["no license", {}, { LICENSE: undefined }, /^LICENSE is missing$/u],
    ["no types", {}, { "dist/index.d.ts": undefined }, /names dist\/index\.d\.ts/u],
    ["a map without its source", {}, { "src/index.ts": undefined }, /names src\/index\.ts/u],
    ["no map", {}, { "dist/index.js.map": undefined }, /index\.js\.map is missing$/u],
    ["a test", {}, { "test/A.test.ts": "" }, /^test\/A\.test\.ts does not belong/u],
    ["a link out of it", {}, { "README.md": "[a](../../docs/a.md)" }, /links to \.\.\/\.\.\/docs/u],
    ["a place of the machine", {}, { "src/a.ts": "/home/somebody/a" }, /names a folder/u],
    [
      "our own condition",
      { exports: { ".": { "@queue-runtime/source": "./src/index.ts" } } },
      {},
      /^it has our own condition$/u
    ]
  ]

  it.each(wrong)("are told: %s", (_, changes, otherFiles, problem) => {
    const found = of(changes, otherFiles)
    assert.lengthOf(found, 1, found.join("\n"))
    assert.match(found[0] ?? "", problem)
  })
})

describe("the registry of a trial", () => {
  it("has our packages, and sends for the rest to the other one", async () => {
    const folder = mkdtempSync(join(tmpdir(), "registry-"))
    const path = join(folder, "queue-runtime-core-0.1.0.tgz")
    writeFileSync(path, "packed")
    const registry = await Registry.start([{ ...tarball({}), path }], "https://upstream.example/")
    try {
      const ours = await fetch(`${registry.url}/@queue-runtime%2fcore`)
      const about = Object(await ours.json())
      assert.strictEqual(about["dist-tags"].latest, "0.1.0")
      const { dist } = about.versions["0.1.0"]
      assert.strictEqual(await (await fetch(dist.tarball)).text(), "packed")
      const theirs = await fetch(`${registry.url}/effect`, { redirect: "manual" })
      assert.strictEqual(theirs.headers.get("location"), "https://upstream.example/effect")
    } finally {
      registry.close()
      rmSync(folder, { recursive: true })
    }
  })
})

/** What a registry answers that knows of one vulnerability, or of none. */
const answers = {
  none: {},
  one: {
    rhea: [
      { id: 1, title: "Loses a message", severity: "high", vulnerable_versions: "<99", url: "u" }
    ]
  }
}

const server = (answer: unknown) => `
  require("node:http")
    .createServer((request, response) => request.resume().on("end", () => {
      response.setHeader("content-type", "application/json")
      response.end(${JSON.stringify(JSON.stringify(answer))})
    }))
    .listen(0, "127.0.0.1", function () { process.stdout.write(String(this.address().port)) })`

/** A process of its own: the audit waits for its answer without letting anything else run. */
const withServer = async (answer: unknown, use: (url: string) => void): Promise<void> => {
  const child = spawn(process.execPath, ["-e", server(answer)], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  try {
    const [port] = await once(child.stdout, "data")
    use(`http://127.0.0.1:${String(port)}/`)
  } finally {
    child.kill()
  }
}

const auditAt = (url: string) =>
  Auditing.audit(Repository.root, [], {
    pnpm_config_registry: url,
    pnpm_config_fetch_retries: "0"
  })

describe("the audit", () => {
  it("tells what is known, and asks what is installed", async () => {
    await withServer(answers.none, (url) => {
      assert.deepStrictEqual(auditAt(url), { code: 0, text: "audit: no known vulnerability" })
    })
    await withServer(answers.one, (url) => {
      const { code, text } = auditAt(url)
      assert.strictEqual(code, 1, text)
      assert.include(text, "rhea <99: high: Loses a message u")
    })
  })

  it("does not take silence for a clean report", () => {
    const { code, text } = auditAt("http://127.0.0.1:9/")
    assert.strictEqual(code, 2, text)
    assert.match(text, /could not be asked[^]*127\.0\.0\.1:9/u)
  })
})
