// Sets up a fresh clone with Node and npm alone: runs the pinned pnpm through npx, once per lockfile.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readFileSync, writeFileSync } from "node:fs"

if (process.env.npm_config_user_agent?.startsWith("pnpm/")) process.exit(0)

const { packageManager } = JSON.parse(readFileSync("package.json", "utf8"))
const stamp = "node_modules/.setup-stamp"
const hash = createHash("sha256")
  .update(readFileSync("pnpm-lock.yaml"))
  .update(readFileSync("pnpm-workspace.yaml"))
  .digest("hex")
if (existsSync(stamp) && readFileSync(stamp, "utf8") === hash) process.exit(0)

const [major, minor] = process.versions.node.split(".").map(Number)
const bundled = process.platform === "linux" && ["x64", "arm64"].includes(process.arch)
if (!bundled && (major < 22 || (major === 22 && minor < 19))) {
  console.error(
    `setup: Node 22.19 or newer is needed on ${process.platform}; this is ${process.version}`
  )
  process.exit(1)
}

console.error(`setup: npx ${packageManager} install --frozen-lockfile`)
const result = spawnSync("npx", ["--yes", packageManager, "install", "--frozen-lockfile"], {
  stdio: ["ignore", "inherit", "inherit"],
  shell: process.platform === "win32"
})
if (result.status !== 0) process.exit(result.status ?? 1)
writeFileSync(stamp, hash)
