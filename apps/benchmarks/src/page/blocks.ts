/** Generated parts of a page: what stands between `<!-- generated:name -->` and `<!-- /generated:name -->`. */

const renew = (page: string, name: string, content: string): string => {
  const open = `<!-- generated:${name} -->`
  const close = `<!-- /generated:${name} -->`
  const start = page.indexOf(open)
  const end = page.indexOf(close, start)
  if (start === -1 || end === -1) {
    throw new Error(`the page has no place for "${name}": it lacks ${open} or ${close}`)
  }
  return `${page.slice(0, start + open.length)}\n${content}\n${page.slice(end)}`
}

/** The page with each of them renewed. */
export const render = (page: string, blocks: Readonly<Record<string, string>>): string =>
  Object.entries(blocks).reduce((text, [name, content]) => renew(text, name, content), page)
