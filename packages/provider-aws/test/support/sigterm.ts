/** A function of Lambda in a process of its own: what SIGTERM does to it. */
import { Effect, Layer } from "effect"
import { QueueClient, QueueName } from "@queue-runtime/core"
import { AwsProvider } from "@queue-runtime/provider-aws"
import { AwsLambda } from "@queue-runtime/provider-aws/lambda"

const say = (text: string) => Effect.sync(() => process.stdout.write(`${text}\n`))

const layer = QueueClient.layer().pipe(
  Layer.provide(Layer.effectDiscard(Effect.acquireRelease(say("built"), () => say("closed")))),
  Layer.provide(AwsLambda.layer()),
  Layer.provide(AwsProvider.layer({ region: "us-east-1" }))
)

const handler = AwsLambda.handler({
  queue: QueueName.makeUnsafe("q"),
  handler: () => Effect.void,
  layer
})

await handler({ Records: [] }, { getRemainingTimeInMillis: () => 20_000 })
process.stdout.write("ready\n")
// As the runtime of Lambda does, which waits for the next event.
setInterval(() => undefined, 60_000)
