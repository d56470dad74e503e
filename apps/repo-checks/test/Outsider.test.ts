import { assert, describe, it } from "@effect/vitest"
import * as Bans from "../src/bans.ts"
import * as Manifests from "../src/manifests.ts"
import * as Repository from "../src/repository.ts"

const name = "@queue-runtime/example-provider"

const folder = "apps/example-provider/"

const importsBelow = (path: string) =>
  Repository.sources()
    .filter((source) => source.path.startsWith(path))
    .flatMap((source) => Bans.imports(source.text).map(({ specifier }) => ({ source, specifier })))

describe("the provider of an outsider", () => {
  it("R11.3 is known to no package of ours", () => {
    const importers = importsBelow("packages/").filter(({ specifier }) =>
      specifier.startsWith(name)
    )
    assert.deepStrictEqual(importers, [])
    const manifests = Manifests.all().filter((manifest) => manifest.folder.startsWith("packages/"))
    assert.isNotEmpty(manifests)
    for (const manifest of manifests) {
      for (const kind of ["dependencies", "devDependencies", "peerDependencies"] as const) {
        assert.notInclude(Manifests.siblings(manifest, kind), "example-provider", manifest.folder)
      }
    }
  })

  it("R11.3 is written against the entry points of core alone, as anybody's is", () => {
    const imports = importsBelow(`${folder}src/`)
    assert.isNotEmpty(imports)
    const ours = imports.filter(({ specifier }) => specifier.startsWith("@queue-runtime/"))
    assert.deepStrictEqual(
      [...new Set(ours.map(({ specifier }) => specifier))],
      ["@queue-runtime/core"]
    )
    for (const { source, specifier } of imports) {
      if (!specifier.startsWith(".")) continue
      const { pathname } = new URL(specifier, `file:///${source.path}`)
      assert.isTrue(pathname.startsWith(`/${folder}src/`), `${source.path}: ${specifier}`)
    }
  })

  it("R11.3 R12.1 is checked by the whole contract", () => {
    const { text } = Repository.read(`${folder}test/Contract.test.ts`)
    assert.match(text, /^ProviderContract\.suite\(it, \{[^}]*\}\)$/mu)
  })
})
