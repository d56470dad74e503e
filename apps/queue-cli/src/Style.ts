/**
 * Colours of a terminal, or none.
 *
 * @since 0.1.0
 */

/**
 * What text can be made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Style {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly red: (text: string) => string
  readonly green: (text: string) => string
  readonly yellow: (text: string) => string
  readonly cyan: (text: string) => string
}

const escape = "\u001B["

const sgr =
  (open: number, close: number) =>
  (text: string): string =>
    text === "" ? text : `${escape}${open}m${text}${escape}${close}m`

const plain = (text: string): string => text

/**
 * With colours.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ansi: Style = {
  bold: sgr(1, 22),
  dim: sgr(2, 22),
  red: sgr(31, 39),
  green: sgr(32, 39),
  yellow: sgr(33, 39),
  cyan: sgr(36, 39)
}

/**
 * Without.
 *
 * @category constructors
 * @since 0.1.0
 */
export const none: Style = {
  bold: plain,
  dim: plain,
  red: plain,
  green: plain,
  yellow: plain,
  cyan: plain
}

/**
 * Whether colours are wanted: `NO_COLOR` says no, `FORCE_COLOR` yes, a terminal yes unless it is dumb.
 *
 * @category guards
 * @since 0.1.0
 */
export const isWanted = (
  environment: Readonly<Record<string, string | undefined>>,
  isTerminal: boolean
): boolean => {
  const { FORCE_COLOR: force = "", NO_COLOR: no = "", TERM: term = "" } = environment
  if (no !== "") return false
  if (force !== "") return force !== "0" && force !== "false"
  return isTerminal && term !== "dumb"
}
