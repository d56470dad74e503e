/**
 * A web page for the operator: what queues hold, how that changes, and their dead letters, which can be
 * looked into, replayed and purged.
 *
 * **Details**
 *
 * It needs a client and the dead letters of any provider, and takes the figures of `QueueStatistics`,
 * where there is one; else it counts by peeking. What a service does not tell is shown as that, never as
 * zero.
 *
 * It listens on this machine alone unless a host is given, and only for who shows the token; see `Access`.
 *
 * @since 0.1.0
 */
import {
  Check,
  type DeadLetters,
  QueueClient,
  QueueError,
  type QueueName,
  QueueStatistics
} from "@queue-runtime/core"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Access from "./Access.ts"
import * as Api from "./Api.ts"
import * as Http from "./Http.ts"
import * as Jobs from "./Jobs.ts"
import * as Sampler from "./Sampler.ts"

/**
 * What to show, and where.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** At least one. */
  readonly queues: ReadonlyArray<QueueName.QueueName>
  /**
   * Where to listen. Default: `127.0.0.1`, this machine alone. Anything else is to be asked for by name:
   * what is sent is not encrypted, and who has the token can purge.
   */
  readonly host?: string
  /** Default: a free one. */
  readonly port?: number
  /** Default: a random one for each start. */
  readonly token?: Redacted.Redacted
  /** Names by which a browser may ask for the page, beside the host and this machine's own. */
  readonly allowedHosts?: ReadonlyArray<string>
  /** How often each queue is asked for its figures. Default: 5 s. */
  readonly every?: Duration.Input
  /** Samples kept of each queue. Default: 720, an hour. */
  readonly samplesMax?: number
  /** Whether nothing may be replayed or purged. Default: `false`. */
  readonly readOnly?: boolean
}

/**
 * A dashboard that listens.
 *
 * @category models
 * @since 0.1.0
 */
export interface Service {
  /** `http://127.0.0.1:4173`. */
  readonly url: string
  /** The address to open, with the token. */
  readonly link: Redacted.Redacted
}

/**
 * The tag of a dashboard.
 *
 * @category services
 * @since 0.1.0
 */
export class Dashboard extends Context.Service<Dashboard, Service>()(
  "queue-runtime/dashboard/Dashboard"
) {}

const everyDefault = Duration.seconds(5)

const everyMin = Duration.millis(100)

const samplesMaxDefault = 720

const checkedToken = (
  token: Redacted.Redacted
): Effect.Effect<Redacted.Redacted, QueueError.QueueError> =>
  Redacted.value(token).length >= Access.tokenLengthMin
    ? Effect.succeed(token)
    : Effect.fail(
        QueueError.configurationInvalid(
          "token",
          `must have at least ${Access.tokenLengthMin} characters`
        )
      )

/** A wildcard is no address to go to. */
const visited = (host: string): string => {
  if (host === "0.0.0.0" || host === "::") return "localhost"
  return host.includes(":") ? `[${host}]` : host
}

/**
 * Serves until the scope closes; jobs under way end with it.
 *
 * **Errors** ConfigurationInvalid: no queue, a short token, or it cannot listen there · ValidationFailed
 * for a time or a number that is none
 *
 * @category running
 * @since 0.1.0
 */
export const serve = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<
  Service,
  QueueError.QueueError,
  DeadLetters.DeadLetters | QueueClient.QueueClient | Scope.Scope
> {
  const queues = [...new Set(options.queues)]
  if (queues.length === 0) {
    return yield* Effect.fail(QueueError.configurationInvalid("queues", "must name at least one"))
  }
  const every = yield* Check.duration("every", options.every ?? everyDefault, everyMin)
  const samplesMax = yield* Check.wholeNumber(
    "samplesMax",
    options.samplesMax ?? samplesMaxDefault,
    2
  )
  const token = yield* checkedToken(options.token ?? Access.generate())
  const host = options.host ?? "127.0.0.1"
  const client = yield* QueueClient.QueueClient
  const statistics = Option.match(yield* Effect.serviceOption(QueueStatistics.QueueStatistics), {
    onNone: () => QueueStatistics.make(client),
    onSome: Effect.succeed
  })
  const handler = yield* Api.handler({
    queues,
    every,
    isReadOnly: options.readOnly ?? false,
    access: new Access.Access({ host, token, allowedHosts: options.allowedHosts ?? [] }),
    sampler: yield* Sampler.make(yield* statistics, { queues, every, samplesMax }),
    jobs: yield* Jobs.make
  })
  const port = yield* Http.serve({ host, port: options.port ?? 0, handler })
  if (!Access.isLoopback(host)) {
    yield* Effect.logWarning(
      `the dashboard listens on ${host}: other machines can reach it, and nothing is encrypted`
    )
  }
  const url = `http://${visited(host)}:${port}`
  const link = Redacted.make(`${url}/?token=${encodeURIComponent(Redacted.value(token))}`, {
    label: "dashboard link"
  })
  return { url, link }
})

/**
 * A dashboard that listens as long as the layer lives.
 *
 * **Errors** as {@link serve}
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<
  Dashboard,
  QueueError.QueueError,
  DeadLetters.DeadLetters | QueueClient.QueueClient
> => Layer.effect(Dashboard, serve(options))
