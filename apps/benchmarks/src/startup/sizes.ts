/** How large each package is: as it is downloaded, and as it is in a bundle. */
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as bundles from "../bundles.ts"

export interface Size {
  readonly name: string
  /** Bytes of the packed package, sources and types included. */
  readonly packed: number
  /** Bytes of its own code, minified and compressed, without what it depends on. */
  readonly bundled: number
}

const packages = fileURLToPath(new URL("../../../../packages", import.meta.url))

const packedSize = async (root: string, folder: string): Promise<number> => {
  const file = join(folder, "package.tgz")
  await promisify(execFile)("pnpm", ["pack", "--out", file], { cwd: root })
  return statSync(file).size
}

export const of = async (names: ReadonlyArray<string>): Promise<ReadonlyArray<Size>> => {
  const folder = mkdtempSync(join(tmpdir(), "packed-"))
  try {
    const sizes: Array<Size> = []
    for (const name of names) {
      sizes.push({
        name,
        packed: await packedSize(join(packages, name), folder),
        bundled: bundles.gzipped(await bundles.ofPackage(name))
      })
    }
    return sizes
  } finally {
    rmSync(folder, { recursive: true })
  }
}
