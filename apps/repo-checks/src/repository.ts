/**
 * The repository's files: the one place of this app that reads and writes.
 *
 * @since 0.1.0
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

/**
 * A file: its path from the repository's root, with `/`, and what it holds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Source {
  readonly path: string
  readonly text: string
}

/**
 * The root folder.
 *
 * @category reading
 * @since 0.1.0
 */
export const root = fileURLToPath(new URL("../../../", import.meta.url))

/**
 * Where a path of the repository is on this disk.
 *
 * @category reading
 * @since 0.1.0
 */
export const absolute = (path: string): string => join(root, path)

/**
 * Whether the repository holds such a path.
 *
 * @category reading
 * @since 0.1.0
 */
export const exists = (path: string): boolean => existsSync(absolute(path))

/**
 * The text of one file.
 *
 * @category reading
 * @since 0.1.0
 */
export const read = (path: string): Source => ({ path, text: readFileSync(absolute(path), "utf8") })

/**
 * The text of one file; empty when there is none, for checks that say better what is missing.
 *
 * @category reading
 * @since 0.1.0
 */
export const readOrEmpty = (path: string): Source =>
  exists(path) ? read(path) : { path, text: "" }

/**
 * Writes one file, and nothing when it holds this text already: two runs at once do not disturb
 * each other.
 *
 * @category writing
 * @since 0.1.0
 */
export const write = ({ path, text }: Source): void => {
  if (exists(path) && read(path).text === text) return
  mkdirSync(dirname(absolute(path)), { recursive: true })
  writeFileSync(absolute(path), text)
}

const generated = new Set(["node_modules", "dist", "coverage", ".turbo", ".examples", ".reports"])

/**
 * The paths of all files below a folder, sorted; none when there is no such folder. What is
 * installed or generated is left out.
 *
 * @category reading
 * @since 0.1.0
 */
export const paths = (folder: string): ReadonlyArray<string> => {
  if (!exists(folder)) return []
  const entries = readdirSync(absolute(folder), { withFileTypes: true })
  return entries
    .filter((entry) => !generated.has(entry.name))
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`
      return entry.isDirectory() ? paths(path) : [path]
    })
    .toSorted()
}

/**
 * The folders of every package and app: `packages/core`, `apps/quickstart`.
 *
 * @category reading
 * @since 0.1.0
 */
export const workspaces = (): ReadonlyArray<string> =>
  ["packages", "apps"].flatMap((parent) =>
    readdirSync(absolute(parent), { withFileTypes: true })
      .map((entry) => `${parent}/${entry.name}`)
      .filter((folder) => exists(`${folder}/package.json`))
      .toSorted()
  )

const isScript = (path: string): boolean => /\.(?:ts|mts|mjs|js)$/u.test(path)

/**
 * Every source and test of the workspace, and the scripts of the root.
 *
 * @category reading
 * @since 0.1.0
 */
export const sources = (): ReadonlyArray<Source> =>
  ["packages", "apps", "scripts", ".ci"]
    .flatMap(paths)
    .filter(isScript)
    .concat("vitest.config.ts")
    .map(read)

/**
 * The pages for readers: those of the root, all of `docs`, and the README of each package.
 *
 * @category reading
 * @since 0.1.0
 */
export const pages = (): ReadonlyArray<Source> =>
  ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"]
    .concat(paths("docs").filter((path) => path.endsWith(".md")))
    .concat(workspaces().map((folder) => `${folder}/README.md`))
    .filter(exists)
    .map(read)
