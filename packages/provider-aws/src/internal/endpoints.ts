import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { QueueError } from "@queue-runtime/core"
import { isLocalHost } from "./localHost.ts"

export const parsed = (value: string): URL | undefined =>
  URL.canParse(value) ? new URL(value) : undefined

/** Plain HTTP is for this machine and its private network: elsewhere it would show every message. */
export const endpointProblem = (value: string): string | undefined => {
  const url = parsed(value)
  if (url === undefined || !/^https?:$/u.test(url.protocol)) return "must be an http or https URL"
  if (url.username !== "" || url.password !== "") return "must not hold a user or a password"
  return url.protocol === "https:" || isLocalHost(url.hostname)
    ? undefined
    : "must be https, unless the host is local"
}

/** Where the SDK looks, first of all places but the options; one that is empty it skips. */
const variables = ["AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL"] as const

/**
 * Checks the endpoint that the SDK will find in the environment. Its own, whatever configuration is read
 * from here: the SDK reads no other.
 */
export const checkEnvironment: Effect.Effect<void, QueueError.QueueError> = Effect.gen(
  function* () {
    const environment = ConfigProvider.fromEnv()
    for (const variable of variables) {
      const found = yield* Effect.option(Config.String(variable).parse(environment))
      const value = Option.getOrElse(found, () => "")
      if (value === "") continue
      const problem = endpointProblem(value)
      if (problem !== undefined) {
        return yield* Effect.fail(QueueError.configurationInvalid(variable, problem))
      }
      return undefined
    }
    return undefined
  }
)
