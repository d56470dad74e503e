/**
 * A small tokenizer of TypeScript: it knows what is code, comment and literal, and no more.
 * TypeScript 7 has no stable interface to its own.
 *
 * @since 0.1.0
 */

/**
 * A stretch of text of one kind. The text of a template with its backticks and `${` is `template`;
 * what stands between `${` and `}` is code.
 *
 * @category models
 * @since 0.1.0
 */
export interface Token {
  readonly kind: "code" | "lineComment" | "blockComment" | "string" | "template" | "regex"
  readonly start: number
  readonly end: number
}

const endAfter = (text: string, mark: string, from: number): number => {
  const at = text.indexOf(mark, from)
  return at === -1 ? text.length : at + mark.length
}

const endOfLine = (text: string, from: number): number => {
  const at = text.indexOf("\n", from)
  return at === -1 ? text.length : at
}

const endOfString = (text: string, start: number): number => {
  const quote = text[start]
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++
    else if (text[at] === quote || text[at] === "\n") return at + 1
  }
  return text.length
}

const endOfTemplate = (text: string, start: number): number => {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++
    else if (text[at] === "`") return at + 1
    else if (text[at] === "$" && text[at + 1] === "{") return at + 2
  }
  return text.length
}

const endOfRegex = (text: string, start: number): number => {
  let inClass = false
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++
    else if (text[at] === "\n") return at
    else if (text[at] === "[") inClass = true
    else if (text[at] === "]") inClass = false
    else if (text[at] === "/" && !inClass) {
      const flags = /^[a-z]*/u.exec(text.slice(at + 1))?.[0] ?? ""
      return at + 1 + flags.length
    }
  }
  return text.length
}

const beforeOperand =
  /(?:^|[^\w$.])(?:return|typeof|case|in|of|yield|await|void|delete|throw|else|do|instanceof)$/u

/** Whether a `/` behind this text begins a regular expression: behind a value it is a division. */
const isOperandNext = (text: string, significantEnd: number): boolean => {
  const last = text[significantEnd - 1]
  if (last === undefined) return true
  if (/[\w$)\]]!$/u.test(text.slice(Math.max(0, significantEnd - 2), significantEnd))) return false
  if (/["'`/)\]}]/u.test(last)) return false
  if (!/[\w$]/u.test(last)) return true
  return beforeOperand.test(text.slice(Math.max(0, significantEnd - 12), significantEnd))
}

interface State {
  readonly text: string
  /** One entry for each `${` we are in: the braces open inside it. */
  readonly templates: Array<number>
  /** Behind the last character that is neither space nor comment. */
  significantEnd: number
}

/** The literal or comment that begins here; `undefined` in the middle of code. */
const literalAt = (state: State, at: number): Token | undefined => {
  const { templates, text } = state
  const character = text[at]
  const token = (kind: Token["kind"], end: number): Token => ({ kind, start: at, end })
  if (character === '"' || character === "'") return token("string", endOfString(text, at))
  if (character === "`") return token("template", endOfTemplate(text, at))
  if (character === "}" && templates.at(-1) === 0) {
    templates.pop()
    return token("template", endOfTemplate(text, at))
  }
  if (character !== "/") return undefined
  if (text[at + 1] === "/") return token("lineComment", endOfLine(text, at))
  if (text[at + 1] === "*") return token("blockComment", endAfter(text, "*/", at + 2))
  return isOperandNext(text, state.significantEnd)
    ? token("regex", endOfRegex(text, at))
    : undefined
}

const countBrace = ({ templates }: State, character: string): void => {
  const open = templates.at(-1)
  if (open === undefined) return
  if (character === "{") templates[templates.length - 1] = open + 1
  if (character === "}") templates[templates.length - 1] = open - 1
}

const isComment = ({ kind }: Token): boolean => kind === "lineComment" || kind === "blockComment"

/**
 * The tokens of a text; together they cover all of it.
 *
 * @category lexing
 * @since 0.1.0
 */
export const lex = (text: string): ReadonlyArray<Token> => {
  const tokens: Array<Token> = []
  const state: State = { text, templates: [], significantEnd: 0 }
  let codeStart = 0
  let at = 0
  const endCode = () => {
    if (at > codeStart) tokens.push({ kind: "code", start: codeStart, end: at })
  }
  while (at < text.length) {
    const literal = literalAt(state, at)
    if (literal === undefined) {
      const character = text.charAt(at)
      countBrace(state, character)
      at++
      if (character.trim() !== "") state.significantEnd = at
      continue
    }
    endCode()
    tokens.push(literal)
    if (literal.kind === "template" && text.slice(at + 1, literal.end).endsWith("${")) {
      state.templates.push(0)
    }
    if (!isComment(literal)) state.significantEnd = literal.end
    at = literal.end
    codeStart = at
  }
  endCode()
  return tokens
}

const filled = (text: string, filler: string): string => text.replaceAll(/[^\n]/gu, filler)

/**
 * The code alone, every other character a space or, in literals, the filler: places and lines stay.
 *
 * @category lexing
 * @since 0.1.0
 */
export const code = (text: string, filler = " "): string =>
  lex(text)
    .map((token) => {
      const part = text.slice(token.start, token.end)
      if (token.kind === "code") return part
      return filled(part, isComment(token) ? " " : filler)
    })
    .join("")

/**
 * A comment and the offset it begins at.
 *
 * @category models
 * @since 0.1.0
 */
export interface Comment {
  readonly start: number
  readonly end: number
  readonly text: string
}

/**
 * The comments of a text.
 *
 * @category lexing
 * @since 0.1.0
 */
export const comments = (text: string): ReadonlyArray<Comment> =>
  lex(text)
    .filter(isComment)
    .map(({ end, start }) => ({ start, end, text: text.slice(start, end) }))

/**
 * The line, from 1, of an offset.
 *
 * @category places
 * @since 0.1.0
 */
export const lineOf = (text: string, offset: number): number =>
  text.slice(0, offset).split("\n").length

const isUnfinished = (line: string): boolean => /[=+\-*/%&|?:,([<.]$|=>$/u.test(line)

const isContinuation = (line: string): boolean =>
  /^(?:[.)\]}?:&|+*/%,=<>-]|(?:instanceof|in|as|satisfies)\b)/u.test(line)

const balance = (line: string): number =>
  line.replaceAll(/[^([{]/gu, "").length - line.replaceAll(/[^)\]}]/gu, "").length

/**
 * The offset at which the statement that ends at `end` begins. `masked` is {@link code} with a
 * filler.
 *
 * **Gotchas** Brackets and the ends of lines decide, not a grammar: a statement begins on a line of
 * its own and a line that goes on says so, as the formatter writes it.
 *
 * @category places
 * @since 0.1.0
 */
export const statementStart = (masked: string, end: number): number => {
  const lines = masked.slice(0, end).trimEnd().split("\n")
  let open = 0
  for (let index = lines.length - 1; index >= 0; index--) {
    const line = (lines[index] ?? "").trim()
    open += balance(line)
    const before = lines.slice(0, index).findLast((one) => one.trim() !== "") ?? ""
    const isWhole = line !== "" && open >= 0
    if (isWhole && !isContinuation(line) && !isUnfinished(before.trimEnd())) {
      const indent = (lines[index] ?? "").search(/\S/u)
      return lines.slice(0, index).join("\n").length + (index === 0 ? 0 : 1) + indent
    }
  }
  return 0
}
