/**
 * The program behind `pnpm release:trial`: a release from end to end, in a copy of the repository, up to
 * the publishing itself.
 *
 * **Details**
 *
 * 1. `changeset version` in the copy: one version, a changelog a package, ranges between packages.
 * 2. Builds, prepares and packs; each tarball is checked (see `tarball.ts`).
 * 3. With `--short` that is all. Without it a registry on this machine serves the tarballs, and projects
 *    outside of the repository install them with npm, pnpm and yarn, run a program on the oldest, the
 *    24 and the newest Node, compile it with three versions of TypeScript under `node16`, `nodenext` and
 *    `bundler`, and bundle it. This part needs the network.
 *
 * `--keep` leaves the folder for looking at it.
 *
 * @since 0.1.0
 */
import * as Consumers from "./consumers.ts"
import * as Packing from "./packing.ts"
import * as Registry from "./registry.ts"
import * as Shell from "./shell.ts"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const isShort = process.argv.includes("--short")
const isKept = process.argv.includes("--keep")

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

const folder = mkdtempSync(join(tmpdir(), "release-trial-"))
const began = process.hrtime.bigint()
const problems: Array<string> = []

try {
  const { changed, packed, version } = await Packing.pack(folder, say)
  problems.push(...changed)
  problems.push(...packed.flatMap((one) => Packing.problems(one, version, folder)))
  const bytes = packed.reduce((sum, { packedBytes }) => sum + packedBytes, 0)
  say(`packed        ${packed.length} packages ${version}, ${Math.round(bytes / 1024)} KB together`)
  if (!isShort) {
    const [upstream = ""] = (await Shell.run("npm", ["config", "get", "registry"], { cwd: folder }))
      .trim()
      .split("\n")
    const registry = await Registry.start(packed, upstream)
    try {
      problems.push(...(await Consumers.run({ folder, registry: registry.url, packed, say })))
    } finally {
      registry.close()
    }
  }
} finally {
  if (isKept) say(`kept          ${folder}`)
  else rmSync(folder, { recursive: true, force: true })
}

for (const problem of problems) say(`✗ ${problem}`)
const seconds = Number((process.hrtime.bigint() - began) / 1_000_000_000n)
say(`${problems.length === 0 ? "ready" : `${problems.length} problems`} after ${seconds} s`)
process.exitCode = problems.length === 0 ? 0 : 1
