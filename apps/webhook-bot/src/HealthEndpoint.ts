/**
 * What an orchestrator asks over HTTP: `GET /healthz`, whether the process should go on, and
 * `GET /readyz`, whether its queue can be used.
 *
 * **Details**
 *
 * 200 is yes and 503 is no, with each queue's state and, of one that is down, the reason's name; its text
 * is for the log alone, since anyone may ask. The answers are cached and end in time (`Health`).
 *
 * @since 0.1.0
 */
import type { Health } from "@queue-runtime/core"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Http from "./Http.ts"

/**
 * Where each question is asked.
 *
 * @category options
 * @since 0.1.0
 */
export const paths: Readonly<Record<string, keyof Health.Service>> = {
  "/healthz": "liveness",
  "/readyz": "readiness"
}

const methods = new Set(["GET", "HEAD"])

const noStore = { "cache-control": "no-store" }

const toReply = ({ queues, status }: Health.Report): Http.Reply => ({
  status: status === "up" ? 200 : 503,
  headers: noStore,
  json: {
    status,
    queues: queues.map(({ problem, queue, status: own }) =>
      problem === undefined
        ? { queue, status: own }
        : { queue, status: own, reason: problem.reason }
    )
  }
})

const notAllowed: Http.Reply = {
  status: 405,
  headers: { allow: "GET, HEAD" },
  json: { error: "get it" }
}

/**
 * The answer to a request for one of the {@link paths}; none for any other.
 *
 * @category running
 * @since 0.1.0
 */
export const answer = (
  health: Health.Service,
  { method, path }: Pick<Http.Request, "method" | "path">
): Option.Option<Effect.Effect<Http.Reply>> => {
  const question = Object.hasOwn(paths, path) ? paths[path] : undefined
  if (question === undefined) return Option.none()
  return Option.some(
    methods.has(method) ? Effect.map(health[question], toReply) : Effect.succeed(notAllowed)
  )
}
