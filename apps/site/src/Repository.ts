/**
 * What the site is made of, and where it is put: the one file of this app that reads and writes.
 *
 * @since 0.1.0
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

/**
 * The root folder of the repository.
 *
 * @category places
 * @since 0.1.0
 */
export const root = fileURLToPath(new URL("../../../", import.meta.url))

/**
 * Where this app puts what it makes; git ignores it.
 *
 * @category places
 * @since 0.1.0
 */
export const out = join(root, "apps/site/dist")

/**
 * Where a path of the repository is on this disk.
 *
 * @category places
 * @since 0.1.0
 */
export const absolute = (path: string): string => join(root, path)

/**
 * What a path of the repository is.
 *
 * @category reading
 * @since 0.1.0
 */
export const kindOf = (path: string): "file" | "folder" | undefined => {
  if (!existsSync(absolute(path))) return undefined
  return statSync(absolute(path)).isDirectory() ? "folder" : "file"
}

/**
 * The text of a file.
 *
 * @category reading
 * @since 0.1.0
 */
export const read = (path: string): string => readFileSync(absolute(path), "utf8")

/** What is installed or made is no part of the site. */
const made = new Set(["node_modules", "dist", "coverage", ".turbo", ".examples", ".reports"])

/**
 * The names in a folder, sorted; none when there is no such folder.
 *
 * @category reading
 * @since 0.1.0
 */
export const names = (folder: string): ReadonlyArray<string> =>
  kindOf(folder) === "folder"
    ? readdirSync(absolute(folder))
        .filter((name) => !made.has(name))
        .toSorted()
    : []

/**
 * Removes what an earlier run made below a place of `dist`.
 *
 * @category writing
 * @since 0.1.0
 */
export const clear = (place: string): void =>
  rmSync(join(out, place), { recursive: true, force: true })

/**
 * Writes a file below `dist`.
 *
 * @category writing
 * @since 0.1.0
 */
export const write = (place: string, text: string): void => {
  const path = join(out, place)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

/**
 * Copies a file of the repository below `dist`.
 *
 * @category writing
 * @since 0.1.0
 */
export const copy = (from: string, place: string): void => {
  const path = join(out, place)
  mkdirSync(dirname(path), { recursive: true })
  copyFileSync(absolute(from), path)
}

/**
 * A file that an earlier step made below `dist`.
 *
 * @category reading
 * @since 0.1.0
 */
export const readMade = (place: string): string => readFileSync(join(out, place), "utf8")
