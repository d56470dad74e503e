/** A program on SQS, to be bundled: nothing of Azure belongs into it. */
import { QueueClient, QueueName } from "@queue-runtime/core"
import { AwsProvider } from "@queue-runtime/provider-aws"
import { Effect, Layer } from "effect"

const live = QueueClient.layer().pipe(
  Layer.provide(
    AwsProvider.layer({
      region: "us-east-1",
      endpoint: "http://127.0.0.1:9",
      credentials: { _tag: "Keys", accessKeyId: "local", secretAccessKey: "local" }
    })
  )
)

const program = Effect.gen(function* () {
  const client = yield* QueueClient.QueueClient
  const capabilities = client.capabilities(yield* QueueName.make("orders"))
  return `${client.stack.join(" ")} ${capabilities.sendCountMax}`
})

process.stdout.write(`${await Effect.runPromise(Effect.provide(program, live))}\n`)
