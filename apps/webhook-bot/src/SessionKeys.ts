/**
 * Which session an event belongs to: its pull request, issue, branch or tag; else its repository, else
 * its organization, installation or sender, else its kind. Every event has one.
 *
 * **Details**
 *
 * | session | events |
 * |---|---|
 * | `acme/shop/pull/42` | of a pull request, its reviews and comments, checks and runs for it |
 * | `acme/shop/issue/7` | of an issue and its comments |
 * | `acme/shop/branch/main`, `acme/shop/tag/v1` | push, create, delete, status, release, deployments … |
 * | `acme/shop` | everything else of a repository |
 * | `organization:acme`, `installation:1`, `sender:octocat` | what has no repository |
 * | `event:security_advisory` | what has none of these |
 *
 * A session id has 1–128 printable ASCII characters, and a branch name may have more and other ones: a
 * character that is not printable ASCII, and `%`, is written as its UTF-8 bytes in percent form. A key
 * that is then over 128 characters keeps its first 95 and ends in `~` and the first half of its SHA-256,
 * so that two long names stay apart.
 *
 * A pull request listed by a check or a run counts only when its base is the event's own repository: a
 * fork's checks list those of others.
 *
 * @since 0.1.0
 */
import { QueueError, type SessionId } from "@queue-runtime/core"
import { SessionKeyExtractor, SessionKeyStrategy } from "@queue-runtime/sessions"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { createHash } from "node:crypto"

const lengthMax = 128

const keptLength = 95

const percent = (character: string): string =>
  [...Buffer.from(character.toWellFormed(), "utf8")]
    .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`)
    .join("")

/**
 * A text as a valid session id; what is short and plain stays as it is.
 *
 * @category formatting
 * @since 0.1.0
 */
export const fit = (text: string): string => {
  const escaped = text.replaceAll(/[^ -~]|%/gu, percent)
  if (escaped.length <= lengthMax) return escaped
  const hash = createHash("sha256").update(escaped).digest("hex").slice(0, 32)
  return `${escaped.slice(0, keptLength)}~${hash}`
}

type Extractor = SessionKeyExtractor.SessionKeyExtractor

type Kind = "pull" | "issue" | "branch" | "tag"

/** What an event is about, inside its repository. */
type Subject = readonly [kind: Kind, name: string]

const text = (from: Extractor, path: string): string | undefined =>
  Option.getOrUndefined(Option.filter(from.get(path), (value) => value !== ""))

const first = (from: Extractor, paths: ReadonlyArray<string>): string | undefined => {
  for (const path of paths) {
    const value = text(from, path)
    if (value !== undefined) return value
  }
  return undefined
}

/** A full ref says what it is; a bare name is a branch unless the event says otherwise. */
const ofRef = (ref: string, refType: string | undefined): Subject => {
  const [, kind, rest = ""] = /^refs\/(heads|tags|pull)\/(.+)$/su.exec(ref) ?? []
  if (kind === "heads") return ["branch", rest]
  if (kind === "tags") return ["tag", rest]
  const number = kind === "pull" ? /^\d+/u.exec(rest)?.[0] : undefined
  if (number !== undefined) return ["pull", number]
  return [refType === "tag" ? "tag" : "branch", ref]
}

/** What lists the pull requests it is for. */
const runs = ["check_run", "check_run.check_suite", "check_suite", "workflow_run"]

const ownPull = (from: Extractor, run: string): string | undefined => {
  const number = text(from, `${run}.pull_requests.0.number`)
  const base = text(from, `${run}.pull_requests.0.base.repo.id`)
  const isOwn = base === undefined || base === text(from, "repository.id")
  return isOwn ? number : undefined
}

const pull = (from: Extractor): Subject | undefined => {
  const isIssueOfPull = ["url", "html_url"].some(
    (field) => text(from, `issue.pull_request.${field}`) !== undefined
  )
  const number =
    text(from, "pull_request.number") ??
    (isIssueOfPull ? text(from, "issue.number") : undefined) ??
    runs.map((run) => ownPull(from, run)).find((found) => found !== undefined)
  return number === undefined ? undefined : ["pull", number]
}

const issue = (from: Extractor): Subject | undefined => {
  const number = text(from, "issue.number")
  return number === undefined ? undefined : ["issue", number]
}

const refs = [
  "ref",
  "alert.most_recent_instance.ref",
  "merge_group.base_ref",
  "check_run.check_suite.head_branch",
  "check_suite.head_branch",
  "workflow_run.head_branch",
  "workflow_job.head_branch",
  "deployment.ref",
  "branches.0.name",
  "branch"
]

const branchOrTag = (from: Extractor): Subject | undefined => {
  const ref = first(from, refs)
  if (ref !== undefined) return ofRef(ref, text(from, "ref_type"))
  const tag = text(from, "release.tag_name")
  return tag === undefined ? undefined : ["tag", tag]
}

/** Inside a repository; none without one. */
const inRepository = (name: string, subject: (from: Extractor) => Subject | undefined) =>
  SessionKeyStrategy.byContent(
    (from) => {
      const repository = text(from, "repository.full_name")
      const found = repository === undefined ? undefined : subject(from)
      return found === undefined
        ? Option.none()
        : Option.some(fit(`${repository}/${found.join("/")}`))
    },
    { name }
  )

/** One field; none without it. */
const byField = (path: string, prefix = "") =>
  SessionKeyStrategy.byContent(
    (from) => Option.map(Option.fromUndefinedOr(text(from, path)), (value) => fit(prefix + value)),
    { name: path }
  )

const ofEvent = (event: string) =>
  SessionKeyStrategy.byContent(() => Option.some(fit(`event:${event}`)), { name: "event" })

const bySubject = SessionKeyStrategy.fallback([
  inRepository("pull", pull),
  inRepository("issue", issue),
  inRepository("branch", branchOrTag),
  byField("repository.full_name"),
  byField("organization.login", "organization:"),
  byField("installation.id", "installation:"),
  byField("sender.login", "sender:")
])

/**
 * The session of an event.
 *
 * **Errors** ValidationFailed (never retry): none is known of a payload that passes `Webhook`.
 *
 * **Example** (A review and its pull request)
 *
 * ```ts no-run
 * const payload = { repository: { full_name: "acme/shop" }, pull_request: { number: 42 } }
 * Effect.runSync(SessionKeys.of("pull_request_review", payload)) // => "acme/shop/pull/42"
 * ```
 *
 * @category sessions
 * @since 0.1.0
 */
export const of = (
  event: string,
  payload: unknown
): Effect.Effect<SessionId.SessionId, QueueError.QueueError> =>
  SessionKeyStrategy.fallback([bySubject, ofEvent(event)])
    .generate(SessionKeyExtractor.fromJson(payload))
    .pipe(
      Effect.flatMap(
        Option.match({
          onNone: () =>
            Effect.fail(
              QueueError.validationFailed("sessionId", "the event belongs to no session")
            ),
          onSome: Effect.succeed
        })
      )
    )
