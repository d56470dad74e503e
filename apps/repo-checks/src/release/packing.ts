/**
 * A release up to its tarballs, in a copy of the repository.
 *
 * @since 0.1.0
 */
import { execFileSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import * as Preparing from "./preparing.ts"
import type * as Registry from "./registry.ts"
import * as Repository from "../repository.ts"
import * as Shell from "./shell.ts"
import * as Tarball from "./tarball.ts"

/** Nobody's, by its name: the packages of a trial are published nowhere. */
const repository = "https://git.example/acme/queue-runtime"

const column = (label: string): string => label.padEnd(13)

/** What git would commit, as it is on the disk now. */
const copy = (target: string): void => {
  const listed = execFileSync("git", ["ls-files", "-z", "-co", "--exclude-standard"], {
    cwd: Repository.root,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024
  })
  for (const path of listed.split("\0")) {
    if (path === "" || !Repository.exists(path)) continue
    mkdirSync(dirname(join(target, path)), { recursive: true })
    cpSync(Repository.absolute(path), join(target, path))
  }
}

const filesBelow = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

/** Unpacks one tarball and reads all of it. */
const read = async (path: string, folder: string): Promise<Registry.Packed> => {
  mkdirSync(folder, { recursive: true })
  await Shell.run("tar", ["-xzf", path, "-C", folder, "--strip-components=1"], { cwd: folder })
  const files = filesBelow(folder).map(
    (file) => [relative(folder, file).replaceAll("\\", "/"), readFileSync(file, "utf8")] as const
  )
  return { path, files: new Map(files), packedBytes: statSync(path).size }
}

/** Every package has one version, and tells what changed. */
const versionProblems = (
  root: string,
  folders: ReadonlyArray<string>
): { readonly version: string; readonly problems: ReadonlyArray<string> } => {
  const versions = folders.map((folder) => {
    const text = readFileSync(join(root, folder, "package.json"), "utf8")
    return [folder, String(Object(JSON.parse(text)).version)] as const
  })
  const version = versions[0]?.[1] ?? ""
  const left = readdirSync(join(root, ".changeset")).filter(
    (name) => name.endsWith(".md") && name !== "README.md"
  )
  return {
    version,
    problems: [
      ...versions
        .filter(([, one]) => one !== version)
        .map(([folder, one]) => `${folder} is ${one}`),
      ...folders
        .filter((folder) => {
          const path = join(root, folder, "CHANGELOG.md")
          return !existsSync(path) || !readFileSync(path, "utf8").includes(`## ${version}`)
        })
        .map((folder) => `${folder}/CHANGELOG.md has nothing of ${version}`),
      ...left.map((name) => `.changeset/${name} is left after the version`)
    ]
  }
}

/**
 * Makes the tarballs below a folder.
 *
 * @category running
 * @since 0.1.0
 */
export const pack = async (
  folder: string,
  say: (line: string) => void
): Promise<{
  readonly packed: ReadonlyArray<Registry.Packed>
  readonly version: string
  readonly changed: ReadonlyArray<string>
}> => {
  const root = join(folder, "repository")
  const tarballs = join(folder, "tarballs")
  mkdirSync(tarballs, { recursive: true })
  copy(root)
  const at = (...parts: ReadonlyArray<string>): string => join(root, "node_modules/.bin", ...parts)
  const run = (command: string, ...args: ReadonlyArray<string>) =>
    Shell.run(command, args, { cwd: root })
  const pnpm = Repository.absolute("node_modules/.bin/pnpm")
  await run(pnpm, "install", "--frozen-lockfile", "--prefer-offline", "--silent")
  // A changelog asks git when a changeset was added.
  const identity = ["-c", "user.name=trial", "-c", "user.email=trial@git.example"]
  await run("git", "init", "--quiet")
  await run("git", "add", "--all")
  await run("git", ...identity, "commit", "--quiet", "--message", "trial")
  await run(at("changeset"), "version")
  await run(at("oxfmt"), "--check", "packages/*/package.json", "apps/queue-cli/package.json")
  // The lockfile of the release is that of the versions before it: siblings are linked.
  await run(pnpm, "install", "--frozen-lockfile", "--prefer-offline", "--silent")
  const folders = Preparing.publicFolders()
  const { problems, version } = versionProblems(root, folders)
  say(`${column("versioned")} ${folders.length} packages`)
  const prepare = "apps/repo-checks/src/release/prepare.ts"
  await run(process.execPath, "--conditions=@queue-runtime/source", prepare, repository)
  const filters = folders.flatMap((one) => ["--filter", `./${one}`])
  const built = ["run", "build", ...filters, "--concurrency=2", "--output-logs=errors-only"]
  await run(at("turbo"), ...built)
  await run(pnpm, ...filters, "--silent", "pack", "--pack-destination", tarballs)
  const packed: Array<Registry.Packed> = []
  for (const name of readdirSync(tarballs).toSorted()) {
    packed.push(await read(join(tarballs, name), join(folder, "unpacked", name)))
  }
  for (const { path } of packed) await run(at("publint"), path, "--strict")
  return { packed, version, changed: problems }
}

/**
 * What is wrong with a tarball of {@link pack}.
 *
 * @category checking
 * @since 0.1.0
 */
export const problems = (
  packed: Registry.Packed,
  version: string,
  folder: string
): ReadonlyArray<string> => Tarball.problems(packed, version, [folder])
