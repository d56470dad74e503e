import * as Histories from "../src/History.ts"
import type { Event, Promises } from "../src/History.ts"

type Of<Tag extends Event["_tag"]> = Extract<Event, { readonly _tag: Tag }>

/** What most steps are: the test says what is special. */
const usual: { readonly [Tag in Event["_tag"]]: Omit<Of<Tag>, "_tag" | "at"> } = {
  Submitted: { node: "p1", id: "m1", order: 1, digest: 7 },
  Sent: { node: "p1", id: "m1" },
  SendFailed: { node: "p1", id: "m1", reason: "Throttled" },
  Storing: { node: "p1", id: "m1", digest: 7 },
  Stored: { node: "p1", id: "m1", sequence: 1 },
  Copied: { node: "w1", id: "m1" },
  Operating: { node: "op", what: "replay" },
  Operated: { node: "op", what: "replay" },
  Taken: { node: "op", id: "m1", token: "d9" },
  Unburied: { node: "op", id: "m1", token: "d9", verdict: "Complete", result: "ok" },
  Told: { node: "op", id: "m1", letter: "l1", outcome: "done" },
  Delivered: { node: "w1", id: "m1", token: "d1", count: 1, since: 0, until: 30_000 },
  Started: { node: "w1", id: "m1", token: "d1", count: 1, digest: 7 },
  Ended: { node: "w1", id: "m1", token: "d1", how: "done" },
  Applied: { node: "w1", key: "charge m1" },
  Settling: { node: "w1", id: "m1", token: "d1", verdict: "Complete" },
  Settled: { node: "w1", id: "m1", token: "d1", verdict: "Complete", result: "ok" },
  Renewed: { node: "w1", until: 60_000 },
  Accepted: { node: "w1", session: "a", hold: "h1", until: 30_000 },
  Released: { node: "w1", session: "a", hold: "h1" },
  Lost: { node: "w1", session: "a", hold: "h1" },
  Fault: { node: "w1", key: "k", kind: "lost reply", on: "call", detail: "of a test", refs: [] },
  Launched: { node: "w1", role: "worker", skewMillis: 0 },
  Draining: { node: "w1" },
  Finished: { node: "w1" },
  Crashed: { node: "w1" },
  Cut: { node: "w1" },
  Left: { node: "world", id: "m1", place: "queue", count: 1 },
  Gauge: { node: "w1", name: "things", value: 1, max: 1 },
  Stuck: { node: "world", why: "waiting" }
}

/** A step, a millisecond after the one before unless it says when. */
export type Written<Tag extends Event["_tag"] = Event["_tag"]> = Tag extends Event["_tag"]
  ? readonly [tag: Tag, special?: Partial<Omit<Of<Tag>, "_tag">>]
  : never

/** Of a `Stored`: the broker tells no number, or knew the message already. */
export const unnumbered = { sequence: Number.NaN } as const

const numbered = (event: Of<"Stored">): Of<"Stored"> => {
  const { sequence, ...rest } = event
  return Number.isNaN(sequence) ? rest : event
}

export const history = (
  written: ReadonlyArray<Written>,
  promises: Partial<Promises> = {}
): Histories.History => {
  const events: Array<Event> = []
  let at = 0
  for (const [tag, special] of written) {
    at = special?.at ?? at + 1
    const since = tag === "Delivered" ? { since: at } : {}
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- put together from what belongs to one tag
    const event = { ...usual[tag], ...since, ...special, _tag: tag, at } as Event
    events.push(event._tag === "Stored" ? numbered(event) : event)
  }
  return { promises: Histories.promises(promises), events }
}

/** A message that is sent. */
export const sent = (id = "m1", more: Partial<Of<"Submitted">> = {}): ReadonlyArray<Written> => {
  const session = more.session === undefined ? {} : { session: more.session }
  const order = Number(id.slice(1))
  return [
    ["Submitted", { id, order, ...more }],
    ["Storing", { id }],
    ["Stored", { id, sequence: order, ...session }],
    ["Sent", { id }]
  ]
}

type Where = Partial<
  Pick<Of<"Delivered">, "at" | "id" | "token" | "node" | "session" | "hold" | "count">
>

/** It comes up, and a handler begins. */
export const begun = (where: Where = {}): ReadonlyArray<Written> => {
  const { hold: _, ...started } = where
  return [
    ["Delivered", where],
    ["Started", started]
  ]
}

/** The handler ends well, and the message is completed. */
export const done = (where: Where = {}): ReadonlyArray<Written> => {
  const { count: _, hold: __, session: ___, ...own } = where
  return [
    ["Ended", own],
    ["Settling", own],
    ["Settled", own]
  ]
}
