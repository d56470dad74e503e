/**
 * Who may use the dashboard: a browser of this machine's user that was shown the token once.
 *
 * **Details**
 *
 * A page that can replay and purge is worth attacking, and any page the operator has open can send
 * requests to this machine. So, in this order:
 *
 * 1. The `Host` must be ours: a foreign name that is made to lead here (DNS rebinding) gets 403.
 * 2. A request without the session's cookie gets 401. The cookie (HttpOnly, SameSite=Strict) is given
 *    for the token, by `GET /?token=…` or by the form of the 401 page, and is not the token itself.
 * 3. What changes something must be a POST with the `Origin` of this page and with a header that no
 *    foreign page can set without asking; else it gets 403.
 *
 * Secrets are compared in constant time. Ports do not matter to `Host`, so that a forwarded one works.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"
import { createHash, randomBytes, timingSafeEqual } from "node:crypto"
import { isIP } from "node:net"
import type * as Http from "./Http.ts"

/**
 * The header that a request must carry to change something; any value will do.
 *
 * @category options
 * @since 0.1.0
 */
export const guardHeader = "x-queue-runtime"

/**
 * Characters of a token that is given, at least: what nobody guesses.
 *
 * @category options
 * @since 0.1.0
 */
export const tokenLengthMin = 16

/**
 * What access goes by.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The host that is listened on. */
  readonly host: string
  /** Names beside it by which the page may be asked for. */
  readonly allowedHosts: ReadonlyArray<string>
  readonly token: Redacted.Redacted
}

/**
 * Why a request is turned away.
 *
 * @category models
 * @since 0.1.0
 */
export interface Refusal {
  readonly status: 401 | 403
  readonly problem: string
}

/**
 * A new secret: 256 random bits.
 *
 * @category constructors
 * @since 0.1.0
 */
export const generate = (): Redacted.Redacted =>
  Redacted.make(randomBytes(32).toString("base64url"), { label: "dashboard token" })

/**
 * Whether a host is this machine alone.
 *
 * @category guards
 * @since 0.1.0
 */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."))

const isWildcard = (host: string): boolean => host === "0.0.0.0" || host === "::"

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()

const isSame = (given: string, secret: string): boolean =>
  timingSafeEqual(digest(given), digest(secret))

/** The name in a `Host` or an `Origin`, without its port and brackets. */
const nameOf = (authority: string): string | undefined => {
  const url = `http://${authority}`
  if (authority === "" || /[/\\@?#\s]/u.test(authority) || !URL.canParse(url)) return undefined
  return new URL(url).hostname.replace(/^\[|\]$/gu, "").toLowerCase()
}

const cookiesOf = (header: string): ReadonlyArray<readonly [string, string]> =>
  header.split(";").map((part) => {
    const [name = "", ...value] = part.trim().split("=")
    return [name, value.join("=")]
  })

/**
 * Decides on requests; one for each server.
 *
 * @category models
 * @since 0.1.0
 */
export class Access {
  readonly #options: Options
  readonly #names: ReadonlySet<string>
  /** What the cookie holds: of no use to the next server, and it does not tell the token. */
  readonly #session = generate()
  readonly #cookie = `queue-runtime-${randomBytes(6).toString("hex")}`

  constructor(options: Options) {
    this.#options = options
    this.#names = new Set(
      [options.host, "localhost", "127.0.0.1", "::1", ...options.allowedHosts].map((name) =>
        name.toLowerCase()
      )
    )
  }

  #isOurs(name: string): boolean {
    // An address cannot be made to lead elsewhere, as a name can.
    return this.#names.has(name) || (isWildcard(this.#options.host) && isIP(name) !== 0)
  }

  /** Whether the request was meant for this server. */
  refusedHost({ header }: Pick<Http.Request, "header">): Refusal | undefined {
    const name = nameOf(header("host") ?? "")
    return name !== undefined && this.#isOurs(name)
      ? undefined
      : { status: 403, problem: "this host name is not the dashboard's: see --allow-host" }
  }

  /** Whether the request comes from somebody who showed the token. */
  refusedStranger({ header }: Pick<Http.Request, "header">): Refusal | undefined {
    const secret = Redacted.value(this.#session)
    const isKnown = cookiesOf(header("cookie") ?? "").some(
      ([name, value]) => name === this.#cookie && isSame(value, secret)
    )
    return isKnown
      ? undefined
      : { status: 401, problem: "open the link that queue-runtime printed, with its token" }
  }

  /** Whether what changes something comes from our own page. */
  refusedForgery({ header }: Pick<Http.Request, "header">): Refusal | undefined {
    const foreign = this.refusedOrigin({ header })
    if (foreign !== undefined) return foreign
    return header(guardHeader) === undefined
      ? { status: 403, problem: `the header ${guardHeader} is missing` }
      : undefined
  }

  /** Whether a form or a script of another page sent it. */
  refusedOrigin({ header }: Pick<Http.Request, "header">): Refusal | undefined {
    const origin = header("origin") ?? ""
    // Behind a proxy with TLS the scheme differs, and the name and the port do not.
    const isOwn = origin.replace(/^https?:\/\//u, "") === header("host") && /^https?:/u.test(origin)
    return isOwn ? undefined : { status: 403, problem: "the Origin is not this page" }
  }

  /** The cookie for a token; none for a wrong one. */
  exchange(token: string): string | undefined {
    if (!isSame(token, Redacted.value(this.#options.token))) return undefined
    const value = Redacted.value(this.#session)
    return `${this.#cookie}=${value}; HttpOnly; SameSite=Strict; Path=/`
  }
}
