/**
 * The side bar, made from what is there: a guide that is added shows, and one that is missing does not.
 *
 * @since 0.1.0
 */
import { posix } from "node:path"
import type * as Api from "./Api.ts"
import * as Markdown from "./Markdown.ts"
import type * as Pages from "./Pages.ts"
import * as Repository from "./Repository.ts"

/**
 * An entry of the side bar, as VitePress takes it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly text: string
  readonly link?: string
  readonly items?: ReadonlyArray<Entry>
}

const linkOf = (place: string): string => `/${place.replace(/(?:^|(?<=\/))index$/u, "")}`

const entry = ({ place, title }: Pick<Pages.Page, "place" | "title">): Entry => ({
  text: title,
  link: linkOf(place)
})

const indexPath = "docs/README.md"

/** The guides in the order of their index, and those it does not name behind them. */
const guides = (pages: ReadonlyArray<Pages.Page>): ReadonlyArray<Entry> => {
  const listed = Markdown.items(Repository.read(indexPath)).flatMap((item) => {
    const source = posix.join("docs", item.target)
    const page = pages.find((one) => one.source === source)
    return page === undefined ? [] : [{ ...item, page }]
  })
  const sections = [...new Set(listed.map(({ section }) => section))].map((section): Entry => ({
    text: section,
    items: listed
      .filter((one) => one.section === section)
      .map(({ page, text }) => ({ text, link: linkOf(page.place) }))
  }))
  const others = pages.filter(
    ({ source }) =>
      posix.dirname(source) === "docs" &&
      source !== indexPath &&
      !listed.some(({ page }) => page.source === source)
  )
  return others.length === 0 ? sections : [...sections, { text: "More", items: others.map(entry) }]
}

const below = (pages: ReadonlyArray<Pages.Page>, folder: string): ReadonlyArray<Entry> =>
  pages.filter(({ place }) => posix.dirname(place) === folder).map(entry)

const atRoot = (pages: ReadonlyArray<Pages.Page>): ReadonlyArray<Entry> =>
  pages.filter(({ source }) => posix.dirname(source) === "." && source !== "README.md").map(entry)

const reference = (modules: ReadonlyArray<Api.Module>): ReadonlyArray<Entry> =>
  [...new Set(modules.map((module) => module.package))].map((name) => ({
    text: name,
    items: modules
      .filter((module) => module.package === name)
      .map((module) => ({ text: module.name, link: linkOf(module.place) }))
  }))

/**
 * The side bars by the folder they are for. None of them folds: what folds in VitePress is a button in
 * a button, which nobody can use by keyboard alone.
 *
 * @category rendering
 * @since 0.1.0
 */
export const make = (
  pages: ReadonlyArray<Pages.Page>,
  modules: ReadonlyArray<Api.Module>
): Readonly<Record<string, ReadonlyArray<Entry>>> => ({
  "/api/": [
    { text: "Reference", items: [{ text: "All modules", link: "/api/" }] },
    ...reference(modules)
  ],
  "/adr/": [
    {
      text: "Decisions",
      items: [{ text: "All decisions", link: "/adr/" }, ...below(pages, "adr")]
    }
  ],
  "/": [
    {
      text: "queue-runtime",
      items: [
        { text: "What it is", link: "/" },
        { text: "Guides", link: "/guides/" },
        ...atRoot(pages),
        { text: "Decisions", link: "/adr/" },
        { text: "Reference", link: "/api/" }
      ]
    },
    ...guides(pages),
    { text: "Packages", items: below(pages, "packages") },
    { text: "Applications", items: below(pages, "apps") }
  ]
})

/**
 * The index of the decisions.
 *
 * @category rendering
 * @since 0.1.0
 */
export const decisions = (pages: ReadonlyArray<Pages.Page>): string => {
  const rows = pages
    .filter(({ place }) => posix.dirname(place) === "adr")
    .map(({ place, title }) => `- [${title}](./${posix.basename(place)}.md)`)
  return `# Decisions\n\nWhat was decided, and what was rejected for it.\n\n${rows.join("\n")}\n`
}
