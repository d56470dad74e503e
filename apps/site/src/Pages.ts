/**
 * The pages of the repository as pages of the site, with working links between them.
 *
 * **Details**
 *
 * A link of the repository leads to a file. Where the file is a page, or a module with a reference, it
 * leads there; any other file becomes a page that shows it, so that no link leaves the site and none is
 * dead. What is not there fails the build.
 *
 * @since 0.1.0
 */
import { posix } from "node:path"
import type * as Api from "./Api.ts"
import * as Markdown from "./Markdown.ts"
import * as Repository from "./Repository.ts"

/**
 * A page: which file it is made of, and where it is put, without `.md`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Page {
  readonly source: string
  readonly place: string
  readonly title: string
  readonly text: string
}

/** Where a page of the repository is on the site. */
const placeOf = (source: string): string => {
  const stem = source.replace(/\.md$/u, "")
  if (stem === "README") return "index"
  if (stem === "docs/README") return "guides/index"
  const [, workspace] = /^((?:packages|apps)\/[^/]+)\/README$/u.exec(stem) ?? []
  if (workspace !== undefined) return workspace
  return stem.replace(/^docs\/adr\//u, "adr/").replace(/^docs\//u, "guides/")
}

const page = (source: string): Page => {
  const text = Repository.read(source)
  return { source, place: placeOf(source), title: Markdown.titleOf(text) ?? source, text }
}

const isPage = (name: string): boolean => name.endsWith(".md") && name !== "CHANGELOG.md"

const pagesIn = (folder: string): ReadonlyArray<string> =>
  Repository.names(folder)
    .filter(isPage)
    .map((name) => (folder === "." ? name : `${folder}/${name}`))

const readmes = (parent: string): ReadonlyArray<string> =>
  Repository.names(parent)
    .map((name) => `${parent}/${name}/README.md`)
    .filter((path) => Repository.kindOf(path) === "file")

/**
 * Every page of the repository: those of the root, the guides, the decisions, the READMEs.
 *
 * @category reading
 * @since 0.1.0
 */
export const all = (): ReadonlyArray<Page> =>
  [
    ...pagesIn("."),
    ...pagesIn("docs"),
    ...pagesIn("docs/adr"),
    ...readmes("packages"),
    ...readmes("apps")
  ].map(page)

/** Where the page for something that is no page is put. */
const shownPlace = (path: string): string =>
  path.endsWith(".md") ? placeOf(path) : `source/${path}`

const languages: Readonly<Record<string, string>> = {
  ts: "ts",
  js: "js",
  mjs: "js",
  json: "json",
  py: "python",
  sh: "sh",
  yaml: "yaml",
  yml: "yaml"
}

/** A file as a page that shows it; four ticks, since a doc comment has three. */
const shownFile = (path: string): string => {
  const language = languages[posix.extname(path).slice(1)] ?? "text"
  return `# ${posix.basename(path)}\n\n\`${path}\`\n\n\`\`\`\`${language}\n${Repository.read(path)}\n\`\`\`\`\n`
}

const shownFolder = (path: string): string => {
  const rows = Repository.names(path).map((name) => `- \`${name}\``)
  return `# ${posix.basename(path)}\n\n\`${path}\`\n\n${rows.join("\n")}\n`
}

/**
 * What a link came to: a page, or a file that is copied.
 *
 * @category models
 * @since 0.1.0
 */
export type Resolved =
  | { readonly _tag: "Page"; readonly place: string }
  | { readonly _tag: "Shown"; readonly path: string }
  | { readonly _tag: "Asset"; readonly path: string }

/**
 * Where a path of the repository leads on the site; `undefined` when there is nothing.
 *
 * @category links
 * @since 0.1.0
 */
export const resolver = (
  pages: ReadonlyArray<Page>,
  modules: ReadonlyArray<Api.Module>
): ((path: string, isImage: boolean) => Resolved | undefined) => {
  const places = new Map(pages.map(({ place, source }) => [source, place]))
  for (const { place, source } of modules) places.set(source, place)
  return (path, isImage) => {
    const kind = Repository.kindOf(path)
    if (kind === undefined) return undefined
    if (isImage) return { _tag: "Asset", path }
    const place = places.get(path) ?? places.get(posix.join(path, "README.md"))
    if (place !== undefined) return { _tag: "Page", place }
    if (path === "docs/adr") return { _tag: "Page", place: "adr/index" }
    return { _tag: "Shown", path }
  }
}

/**
 * What is written: the pages by their place, and the files that are copied beside them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Written {
  readonly pages: ReadonlyMap<string, string>
  readonly assets: ReadonlyMap<string, string>
  readonly problems: ReadonlyArray<string>
}

const isElsewhere = (target: string): boolean => /^(?:[a-z][a-z+.-]*:|#)/iu.test(target)

const relative = (from: string, to: string): string => {
  const path = posix.relative(posix.dirname(from), to)
  return path.startsWith(".") ? path : `./${path}`
}

/**
 * The pages with their links made right, and a page for each file that a link leads to.
 *
 * @category rendering
 * @since 0.1.0
 */
export const render = (pages: ReadonlyArray<Page>, modules: ReadonlyArray<Api.Module>): Written => {
  const resolve = resolver(pages, modules)
  const written = new Map<string, string>()
  const assets = new Map<string, string>()
  const problems: Array<string> = []
  const shown: Array<string> = []

  const links = (source: string, place: string, text: string): string =>
    Markdown.mapLinks(text, ({ isImage, target }) => {
      if (isElsewhere(target)) return target
      const [path = "", anchor] = target.split("#")
      const whole = posix.join(posix.dirname(source), decodeURI(path)).replace(/\/$/u, "")
      const to = resolve(whole === "." ? "README.md" : whole, isImage)
      if (to === undefined) {
        problems.push(`${source}: ${target} leads nowhere`)
        return target
      }
      if (to._tag === "Asset") {
        const asset = `assets/${to.path.replaceAll("/", "-")}`
        assets.set(asset, to.path)
        return relative(place, asset)
      }
      if (to._tag === "Shown") shown.push(to.path)
      const toPlace = to._tag === "Page" ? to.place : shownPlace(to.path)
      const hash = anchor === undefined ? "" : `#${anchor}`
      return `${relative(place, toPlace)}.md${hash}`
    })

  const put = (source: string, place: string, text: string): void => {
    const clean = Markdown.withFences(Markdown.withoutComments(text))
    written.set(place, links(source, place, clean))
  }

  for (const { place, source, text } of pages) put(source, place, text)
  for (let path = shown.pop(); path !== undefined; path = shown.pop()) {
    const place = shownPlace(path)
    if (written.has(place)) continue
    if (path.endsWith(".md")) put(path, place, Repository.read(path))
    else
      written.set(place, Repository.kindOf(path) === "folder" ? shownFolder(path) : shownFile(path))
  }
  return { pages: written, assets, problems }
}
