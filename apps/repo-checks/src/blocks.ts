/**
 * Generated blocks of a page: what stands between `<!-- generated:name -->` and
 * `<!-- /generated:name -->`.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"

/**
 * The contents by the name of their block.
 *
 * @category models
 * @since 0.1.0
 */
export type Blocks = Readonly<Record<string, string>>

interface Bounds {
  readonly start: number
  readonly end: number
}

const bounds = (page: string, name: string): Bounds | undefined => {
  const open = `<!-- generated:${name} -->`
  const start = page.indexOf(open)
  const end = page.indexOf(`<!-- /generated:${name} -->`, start)
  return start === -1 || end === -1 ? undefined : { start: start + open.length, end }
}

const withBlock = (page: string, name: string, content: string): string => {
  const found = bounds(page, name)
  return found === undefined
    ? page
    : `${page.slice(0, found.start)}\n${content}\n${page.slice(found.end)}`
}

/**
 * The page with every block renewed, or the names of the blocks whose markers it lacks.
 *
 * @category rendering
 * @since 0.1.0
 */
export const render = (
  page: string,
  blocks: Blocks
): Result.Result<string, ReadonlyArray<string>> => {
  const missing = Object.keys(blocks).filter((name) => bounds(page, name) === undefined)
  if (missing.length > 0) return Result.fail(missing)
  return Result.succeed(
    Object.entries(blocks).reduce((text, [name, content]) => withBlock(text, name, content), page)
  )
}
