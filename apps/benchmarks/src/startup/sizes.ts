/** How large each package is: as it is downloaded, and as it is in a bundle. */
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { gzipSync } from "node:zlib"
import type { Vite } from "vitest/node"

export interface Size {
  readonly name: string
  /** Bytes of the packed package, sources and types included. */
  readonly packed: number
  /** Bytes of its own code, minified and compressed, without what it depends on. */
  readonly bundled: number
}

const packages = fileURLToPath(new URL("../../../../packages", import.meta.url))

/** The bundler is that of the test runner: nothing is installed for a figure. */
const bundler = async (): Promise<Pick<typeof Vite, "build">> => {
  const { resolve } = createRequire(createRequire(import.meta.url).resolve("vitest/package.json"))
  return import(pathToFileURL(resolve("vite")).href)
}

const bundledSize = async (vite: Pick<typeof Vite, "build">, root: string): Promise<number> => {
  const built = await vite.build({
    configFile: false,
    logLevel: "silent",
    root,
    build: {
      write: false,
      minify: true,
      target: "node22",
      lib: { entry: join(root, "dist/index.js"), formats: ["es"], fileName: "index" },
      rolldownOptions: { external: (id) => !id.startsWith(".") && !id.startsWith("/") }
    }
  })
  const outputs = [built].flat().flatMap((one) => ("output" in one ? one.output : []))
  const code = outputs.flatMap((one) => (one.type === "chunk" ? [one.code] : [])).join("")
  return gzipSync(code).byteLength
}

const packedSize = async (root: string, folder: string): Promise<number> => {
  const file = join(folder, "package.tgz")
  await promisify(execFile)("pnpm", ["pack", "--out", file], { cwd: root })
  return statSync(file).size
}

export const of = async (names: ReadonlyArray<string>): Promise<ReadonlyArray<Size>> => {
  const vite = await bundler()
  const folder = mkdtempSync(join(tmpdir(), "packed-"))
  try {
    const sizes: Array<Size> = []
    for (const name of names) {
      const root = join(packages, name)
      sizes.push({
        name,
        packed: await packedSize(root, folder),
        bundled: await bundledSize(vite, root)
      })
    }
    return sizes
  } finally {
    rmSync(folder, { recursive: true })
  }
}
