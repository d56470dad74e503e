/**
 * What is changed in a page of the repository before it is a page of the site.
 *
 * @since 0.1.0
 */

const fence = /^\s*(`{3,})(.*)$/u

interface Part {
  readonly isCode: boolean
  readonly info: string
  readonly lines: ReadonlyArray<string>
}

/** A page as text and fences, the lines of the fences' ends included. */
const parts = (text: string): ReadonlyArray<Part> => {
  const all: Array<Part> = []
  let lines: Array<string> = []
  let open: { readonly ticks: string; readonly info: string } | undefined
  const end = () => {
    if (lines.length > 0) all.push({ isCode: open !== undefined, info: open?.info ?? "", lines })
    lines = []
  }
  for (const line of text.split("\n")) {
    const [, ticks = "", info = ""] = fence.exec(line) ?? []
    if (open === undefined && ticks !== "") {
      end()
      open = { ticks, info: info.trim() }
      lines.push(line)
    } else if (open !== undefined && line.trim() === open.ticks) {
      lines.push(line)
      end()
      open = undefined
    } else {
      lines.push(line)
    }
  }
  end()
  return all
}

/** Changes the text between spans of code. */
const outsideSpans = (text: string, change: (text: string) => string): string =>
  text
    .split(/(`+[^`]*`+)/u)
    .map((piece, index) => (index % 2 === 1 ? piece : change(piece)))
    .join("")

/** Whether a place in a text is inside a span of code. */
const spansOf = (text: string): ((at: number) => boolean) => {
  const spans = [...text.matchAll(/`+[^`]*`+/gu)]
  return (at) => spans.some(({ 0: span, index }) => at > index && at < index + span.length)
}

/** `[text](target)`, with or without code in the text. */
const link = /(!?)\[((?:[^[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)/gu

/**
 * A link, and whether it is an image.
 *
 * @category links
 * @since 0.1.0
 */
export interface Link {
  readonly target: string
  readonly isImage: boolean
}

/**
 * The page with other targets in its links. What stands in code stays.
 *
 * @category links
 * @since 0.1.0
 */
export const mapLinks = (text: string, change: (link: Link) => string): string =>
  parts(text)
    .map(({ isCode, lines }) => {
      const whole = lines.join("\n")
      if (isCode) return whole
      const inSpan = spansOf(whole)
      return whole.replaceAll(
        link,
        (all: string, mark: string, label: string, target: string, at: number) =>
          inSpan(at) ? all : `${mark}[${label}](${change({ target, isImage: mark === "!" })})`
      )
    })
    .join("\n")

/**
 * The page without comments, which would be shown.
 *
 * @category cleaning
 * @since 0.1.0
 */
export const withoutComments = (text: string): string =>
  parts(text)
    .map(({ isCode, lines }) => {
      const whole = lines.join("\n")
      if (isCode) return whole
      // One that begins a line may hold code itself.
      const rest = whole.replaceAll(/^<!--.*?-->\n*/gmsu, "")
      return outsideSpans(rest, (piece) => piece.replaceAll(/<!--.*?-->/gsu, ""))
    })
    .join("\n")

const arrow = /^\s*([\w-]+) (-->|-\.->) ([\w-]+)$/u

/** The picture of packages as a table: without a script nobody would see it. */
const pictureTable = (lines: ReadonlyArray<string>): string => {
  const needs = new Map<string, { readonly always: Array<string>; readonly tests: Array<string> }>()
  for (const line of lines.slice(2, -1)) {
    const [, from, kind, to] = arrow.exec(line) ?? [undefined, line.trim()]
    if (from === undefined && line.trim() === "") continue
    const name = from ?? line.trim()
    const entry = needs.get(name) ?? { always: [], tests: [] }
    needs.set(name, entry)
    if (to !== undefined) (kind === "-->" ? entry.always : entry.tests).push(to)
  }
  const rows = [...needs].map(
    ([name, { always, tests }]) => `| ${name} | ${always.join(", ")} | ${tests.join(", ")} |`
  )
  return ["| package | needs | its tests need |", "|---|---|---|", ...rows].join("\n")
}

/**
 * The page with fences that the site can show: `ts no-run` is `ts`, and a graph of packages a table.
 *
 * @category cleaning
 * @since 0.1.0
 */
export const withFences = (text: string): string =>
  parts(text)
    .map(({ info, isCode, lines }) => {
      if (!isCode) return lines.join("\n")
      if (info === "mermaid") return pictureTable(lines)
      const [first = "", ...rest] = lines
      return [first.replace(/(`{3,}ts) no-(?:run|check)$/u, "$1"), ...rest].join("\n")
    })
    .join("\n")

/**
 * The page with an anchor of its own for each heading that has none, so that no two are the same and
 * those that links go to keep theirs. The headings of categories begin with a capital.
 *
 * @category cleaning
 * @since 0.1.0
 */
export const withAnchors = (text: string): string => {
  let count = 0
  const anchored = (line: string): string => {
    const [, marks = "", title = ""] = /^(#{2,6}) (.+)$/u.exec(line) ?? []
    if (marks === "" || title.includes("{#")) return line
    count++
    const shown = marks === "##" ? title.slice(0, 1).toUpperCase() + title.slice(1) : title
    return `${marks} ${shown} {#section-${count}}`
  }
  return parts(text)
    .map(({ isCode, lines }) => (isCode ? lines : lines.map(anchored)).join("\n"))
    .join("\n")
}

/**
 * The text of the first heading, without marks.
 *
 * @category reading
 * @since 0.1.0
 */
export const titleOf = (text: string): string | undefined =>
  /^# (.+)$/mu.exec(text)?.[1]?.replaceAll("`", "")

/**
 * An item of an index page: under which heading, what it is called, where it leads.
 *
 * @category reading
 * @since 0.1.0
 */
export interface Item {
  readonly section: string
  readonly text: string
  readonly target: string
}

/**
 * The lists of links of an index page, in their order.
 *
 * @category reading
 * @since 0.1.0
 */
export const items = (text: string): ReadonlyArray<Item> => {
  let section = ""
  return text.split("\n").flatMap((line) => {
    const [, heading] = /^## (.+)$/u.exec(line) ?? []
    if (heading !== undefined) section = heading
    if (!line.startsWith("- ")) return []
    return [...line.matchAll(link)].map(([, , label = "", target = ""]) => ({
      section,
      text: label.slice(0, 1).toUpperCase() + label.slice(1),
      target
    }))
  })
}
