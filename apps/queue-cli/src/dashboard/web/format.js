/**
 * Figures, times, bytes and bodies as people read them.
 *
 * @since 0.1.0
 */

const numbers = new Intl.NumberFormat("en", { maximumFractionDigits: 1 })
const dates = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" })
const days = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" })
const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23"
})
const clockSeconds = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23"
})

const marks = { exact: "", approximate: "~", atLeast: "≥" }

/**
 * `1,234.5`
 *
 * @param {number} value
 */
export const number = (value) => numbers.format(value)

/**
 * A rate: what is large needs no fraction.
 *
 * @param {number} value
 */
export const rate = (value) => number(Math.abs(value) < 100 ? value : Math.round(value))

/**
 * `12`, `~12`, `≥12`
 *
 * @param {{ value: number, precision: "exact" | "approximate" | "atLeast" }} figure
 */
export const figure = ({ precision, value }) => `${marks[precision]}${number(value)}`

/**
 * A plural: `1 message`, `2 messages`.
 *
 * @param {number} count
 * @param {string} noun
 */
export const counted = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`

/** @param {number} millis */
export const dateTime = (millis) => dates.format(millis)

/** @param {number} millis */
export const time = (millis) => clock.format(millis)

/** @param {number} millis */
export const timeSeconds = (millis) => clockSeconds.format(millis)

/** @param {number} millis */
export const day = (millis) => days.format(millis)

/** @type {ReadonlyArray<readonly [name: string, millis: number]>} */
const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000]
]

/**
 * The two largest units of a duration: `3 min 20 s`.
 *
 * @param {number} millis
 */
export const duration = (millis) => {
  const first = units.findIndex(([, size]) => millis >= size)
  if (first === -1) return "0 s"
  let rest = millis
  const parts = []
  for (const [name, size] of units.slice(first, first + 2)) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) parts.push(`${count} ${name}`)
  }
  return parts.join(" ")
}

/**
 * `12 B`, `3.4 KiB`
 *
 * @param {number} count
 */
export const bytes = (count) => {
  if (count < 1024) return `${count} B`
  return count < 1024 * 1024 ? `${number(count / 1024)} KiB` : `${number(count / 1024 / 1024)} MiB`
}

/**
 * The bytes of base64.
 *
 * @param {string} base64
 */
export const fromBase64 = (base64) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))

/**
 * Bytes as text; `undefined` where they are no UTF-8. The end may be cut inside a character.
 *
 * @param {Uint8Array} body
 * @param {boolean} isCut
 */
export const text = (body, isCut) => {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body, {
      stream: isCut
    })
  } catch {
    return undefined
  }
}

/**
 * JSON with a line for each value; `undefined` where it is none. Only white space is changed: numbers
 * that JavaScript cannot hold stay as they are.
 *
 * @param {string} json
 */
export const prettyJson = (json) => {
  try {
    JSON.parse(json)
  } catch {
    return undefined
  }
  let depth = 0
  const line = () => `\n${"  ".repeat(depth)}`
  const tokens = json.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gu) ?? []
  return tokens
    .map((token, index) => {
      const next = tokens[index + 1]
      switch (token) {
        case "{":
        case "[":
          if (next === "}" || next === "]") return token
          depth++
          return token + line()
        case "}":
        case "]": {
          const before = tokens[index - 1]
          if (before === "{" || before === "[") return token
          depth--
          return line() + token
        }
        case ",":
          return token + line()
        case ":":
          return ": "
        default:
          return token
      }
    })
    .join("")
}

/** @param {number} byte */
const printable = (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")

/**
 * Bytes in lines of sixteen: offset, hexadecimal, and what is printable.
 *
 * @param {Uint8Array} body
 */
export const hex = (body) => {
  const lines = []
  for (let at = 0; at < body.length; at += 16) {
    const row = [...body.subarray(at, at + 16)]
    const pairs = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ")
    lines.push(
      `${at.toString(16).padStart(8, "0")}  ${pairs.padEnd(47)}  ${row.map(printable).join("")}`
    )
  }
  return lines.join("\n")
}
