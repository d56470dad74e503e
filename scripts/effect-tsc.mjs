// TypeScript with Effect's diagnostics: runs the tsc that @effect/tsgo ships for the installed TypeScript.
import { spawnSync } from "node:child_process"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

const require = createRequire(import.meta.url)
const tsgo = createRequire(require.resolve("@effect/tsgo/package.json"))
const dir = dirname(tsgo.resolve(`@effect/tsgo-${process.platform}-${process.arch}/package.json`))
const { version } = require("typescript/package.json")
const executable = process.platform === "win32" ? "tsc.exe" : "tsc"
const path = join(dir, "artifacts", "typescript", version, executable)
const result = spawnSync(path, process.argv.slice(2), { stdio: "inherit" })
if (result.error) throw result.error
process.exit(result.status ?? 1)
