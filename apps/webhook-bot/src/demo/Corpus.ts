/**
 * GitHub's example payloads, and how one becomes an event of another repository.
 *
 * @since 0.1.0
 */
import { QueueError } from "@queue-runtime/core"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { createRequire } from "node:module"

/**
 * One example.
 *
 * @category models
 * @since 0.1.0
 */
export interface Example {
  /** Its event type: `pull_request`. */
  readonly event: string
  readonly payload: Payload
}

/**
 * A payload.
 *
 * @category models
 * @since 0.1.0
 */
export type Payload = Readonly<Record<string, unknown>>

const Definitions = Schema.Array(
  Schema.Struct({
    name: Schema.String,
    examples: Schema.Array(Schema.Record(Schema.String, Schema.Unknown))
  })
)

const unreadable = () =>
  QueueError.configurationInvalid("@octokit/webhooks-examples", "must be installed and readable")

/**
 * All examples, type after type.
 *
 * **Errors** ConfigurationInvalid when the package is not there.
 *
 * @category loading
 * @since 0.1.0
 */
export const load: Effect.Effect<ReadonlyArray<Example>, QueueError.QueueError> = Effect.try({
  try: (): unknown => createRequire(import.meta.url)("@octokit/webhooks-examples"),
  catch: unreadable
}).pipe(
  Effect.flatMap(Schema.decodeUnknownEffect(Definitions)),
  Effect.mapBoth({
    onFailure: unreadable,
    onSuccess: (definitions) =>
      definitions.flatMap(({ examples, name }) =>
        examples.map((payload) => ({ event: name, payload }))
      )
  })
)

/**
 * Where an event is moved to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Place {
  readonly owner: string
  readonly repository: string
  readonly pull: number
  readonly issue: number
  readonly branch: string
}

const isRecord = (value: unknown): value is Payload =>
  Predicate.isObject(value) && !Array.isArray(value)

/** The value with another one at a path, if there is one to replace. */
const replaced = (value: unknown, path: ReadonlyArray<string>, to: unknown): unknown => {
  const [key, ...rest] = path
  if (value === null || value === undefined) return value
  if (key === undefined) return to
  if (Array.isArray(value)) {
    return value.map((item: unknown, index) =>
      String(index) === key ? replaced(item, rest, to) : item
    )
  }
  return isRecord(value) && Object.hasOwn(value, key)
    ? { ...value, [key]: replaced(value[key], rest, to) }
    : value
}

const at = (value: unknown, path: string): unknown => {
  let found = value
  for (const key of path.split(".")) found = isRecord(found) ? found[key] : undefined
  return found
}

/** URLs name the repository too. */
const renamed = (payload: Payload, from: unknown, to: string): unknown =>
  typeof from === "string" ? JSON.parse(JSON.stringify(payload).replaceAll(from, to)) : payload

const ref = (old: unknown, branch: string): string =>
  typeof old === "string" && old.startsWith("refs/heads/") ? `refs/heads/${branch}` : branch

const isTag = (payload: Payload): boolean =>
  payload["ref_type"] === "tag" || String(payload["ref"]).startsWith("refs/tags/")

/**
 * The payload as an event of another place: names and URLs of its repository, the numbers of its pull
 * request or issue, and its branch are rewritten; everything else stays as GitHub sent it.
 *
 * @category rewriting
 * @since 0.1.0
 */
export const moved = (payload: Payload, place: Place): Payload => {
  const { branch, issue, owner, pull, repository } = place
  const isOfPull = at(payload, "issue.pull_request") !== undefined
  const changes: ReadonlyArray<readonly [path: string, to: unknown]> = [
    ["repository.name", repository],
    ["repository.full_name", `${owner}/${repository}`],
    ["repository.owner.login", owner],
    ["number", payload["pull_request"] === undefined ? issue : pull],
    ["pull_request.number", pull],
    ["issue.number", isOfPull ? pull : issue],
    ["check_run.pull_requests.0.number", pull],
    ["check_run.check_suite.pull_requests.0.number", pull],
    ["check_suite.pull_requests.0.number", pull],
    ["workflow_run.pull_requests.0.number", pull],
    ["ref", isTag(payload) ? payload["ref"] : ref(payload["ref"], branch)],
    ["check_run.check_suite.head_branch", branch],
    ["check_suite.head_branch", branch],
    ["workflow_run.head_branch", branch],
    ["workflow_job.head_branch", branch],
    ["deployment.ref", branch],
    ["branches.0.name", branch],
    ["branch", branch]
  ]
  let result = renamed(payload, at(payload, "repository.full_name"), `${owner}/${repository}`)
  for (const [path, to] of changes) result = replaced(result, path.split("."), to)
  return isRecord(result) ? result : payload
}
