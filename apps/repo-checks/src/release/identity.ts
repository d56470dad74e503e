/**
 * What a package says of where it comes from: the fields of its manifest, and the links of its README,
 * which lead nowhere once the package has left the repository.
 *
 * **Details** The address of the repository stands in one place, `repository` of the root's
 * `package.json`. Until it is there nothing is published.
 *
 * @since 0.1.0
 */
import { posix } from "node:path"

/**
 * Where the fields of a package come from.
 *
 * @category models
 * @since 0.1.0
 */
export interface Place {
  /** `https://host/owner/name`. */
  readonly repository: string
  /** Its folder in the repository: `packages/core`. */
  readonly folder: string
}

/**
 * An address as links take it: without `git+`, `.git` and a slash at the end. Nothing when it is not
 * one of the web.
 *
 * @category reading
 * @since 0.1.0
 */
export const webAddress = (repository: string): string | undefined => {
  const address = repository
    .replace(/^git\+/u, "")
    .replace(/\/$/u, "")
    .replace(/\.git$/u, "")
  return /^https:\/\/[^/\s]+\/[^/\s]+\/[^\s]+$/u.test(address) ? address : undefined
}

/**
 * The fields that registries and people read.
 *
 * @category rendering
 * @since 0.1.0
 */
export const fields = ({ folder, repository }: Place) => ({
  homepage: `${repository}/tree/HEAD/${folder}#readme`,
  bugs: { url: `${repository}/issues` },
  repository: { type: "git", url: `git+${repository}.git`, directory: folder }
})

/** What stands between `](` and `)`, or behind `]: `, of a Markdown page. */
const link = /(\]\(|^\[[^\]]+\]:\s+)([^()\s]+)/gmu

const isElsewhere = (target: string): boolean => /^(?:[a-z][a-z0-9+.-]*:|#|\/)/iu.test(target)

/**
 * The links of a page that lead to a file beside it, as they are written.
 *
 * @category reading
 * @since 0.1.0
 */
export const relativeLinks = (page: string): ReadonlyArray<string> =>
  [...page.matchAll(link)].flatMap(([, , target = ""]) => (isElsewhere(target) ? [] : [target]))

/** Shown as it is where a page shows it: an image, not the page about it. */
const isImage = (target: string): boolean => /\.(?:png|svg|jpe?g|gif)$/iu.test(target)

/**
 * A page whose links out of its package lead to the repository, at a tag; links to what `isPacked`
 * stay.
 *
 * @category rendering
 * @since 0.1.0
 */
export const absoluteLinks = (
  page: string,
  { folder, repository }: Place,
  tag: string,
  isPacked: (path: string) => boolean
): string =>
  page.replaceAll(link, (whole, before: string, target: string) => {
    if (isElsewhere(target)) return whole
    const [path = "", anchor] = target.split("#")
    if (isPacked(posix.normalize(path))) return whole
    const view = isImage(path) ? "raw" : "blob"
    const full = `${repository}/${view}/${tag}/${posix.join(folder, path)}`
    return `${before}${full}${anchor === undefined ? "" : `#${anchor}`}`
  })
