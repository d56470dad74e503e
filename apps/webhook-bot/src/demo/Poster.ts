/**
 * Posts the plan as GitHub would: the deliveries of a session one after the other, so that their order
 * is known, and the sessions side by side.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as Http from "../Http.ts"
import * as Signature from "../Signature.ts"
import type * as History from "./History.ts"
import * as Plan from "./Plan.ts"

/**
 * Where to post, and with which secret.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  readonly url: string
  readonly secret: Redacted.Redacted
  readonly plan: ReadonlyArray<Plan.Planned>
  readonly history: History.History
}

/** Posts under way at once. */
const concurrency = 32

/** What GitHub waits. */
const timeout = Duration.seconds(10)

/** What a post that got no answer is written down as. */
const noAnswer = 0

const wrongSecret = Redacted.make("not the secret")

const Accepted = Schema.fromJsonString(Schema.Struct({ id: Schema.String, session: Schema.String }))

const decode = Schema.decodeUnknownEffect(Accepted)

const bySession = (plan: ReadonlyArray<Plan.Planned>): ReadonlyArray<Array<Plan.Planned>> => {
  const sessions = new Map<string, Array<Plan.Planned>>()
  for (const planned of plan) {
    const session = sessions.get(planned.session)
    if (session === undefined) sessions.set(planned.session, [planned])
    else session.push(planned)
  }
  return [...sessions.values()]
}

/**
 * Posts everything and writes down the answers.
 *
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function* ({ history, plan, secret, url }: Options) {
  const { post } = yield* Http.Client
  const permits = yield* Semaphore.make(concurrency)

  const postOne = Effect.fnUntraced(function* (planned: Plan.Planned) {
    const body = planned.body()
    const key = planned.fault === "wrong signature" ? wrongSecret : secret
    const headers = { ...Plan.headers(planned), [Signature.header]: Signature.sign(key, body) }
    const { status, text } = yield* post({ url, body, headers, timeout })
    if (status !== 202) return { id: planned.id, session: planned.session, status }
    return { ...(yield* decode(text)), status }
  })

  const postAndNote = (planned: Plan.Planned) =>
    Semaphore.withPermit(permits, postOne(planned)).pipe(
      Effect.orElseSucceed(() => ({
        id: planned.id,
        session: planned.session,
        status: noAnswer
      })),
      Effect.map((answer) => history.add({ _tag: "Answered", ...answer }))
    )

  yield* Effect.forEach(
    bySession(plan),
    (session) => Effect.forEach(session, postAndNote, { discard: true }),
    { concurrency: "unbounded", discard: true }
  )
})
