/**
 * A DynamoDB of its own with a table for sessions: `dynalite`, over a real socket.
 *
 * @since 0.1.0
 */
import { CreateTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb"
import type { SessionStoreDynamoDb } from "@queue-runtime/session-store/aws-dynamodb"
import dynalite from "dynalite"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"

/** What a client of this machine is made with. */
const clientAt = (endpoint: string) => ({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" }
})

const listening = Effect.acquireRelease(
  Effect.promise(
    () =>
      new Promise<{ readonly endpoint: string; readonly close: () => void }>((resolve) => {
        const server = dynalite({ createTableMs: 0 })
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          const port = typeof address === "object" && address !== null ? address.port : 0
          // Nobody waits for it to end but its scope.
          server.unref()
          const close = (): void => {
            server.closeAllConnections()
            server.close()
          }
          resolve({ endpoint: `http://127.0.0.1:${port}`, close })
        })
      })
  ),
  ({ close }) => Effect.sync(close)
)

const table = "sessions"

const createTable = async (endpoint: string): Promise<void> => {
  const sdk = new DynamoDBClient(clientAt(endpoint))
  await sdk.send(
    new CreateTableCommand({
      TableName: table,
      KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }],
      AttributeDefinitions: [{ AttributeName: "pk", AttributeType: "S" }],
      BillingMode: "PAY_PER_REQUEST"
    })
  )
  sdk.destroy()
}

/**
 * The options of a store on a server at this address.
 *
 * @category harnesses
 * @since 0.1.0
 */
export const storeAt = (endpoint: string): SessionStoreDynamoDb.Options => ({
  table,
  client: clientAt(endpoint)
})

/**
 * A server with its table, gone with the scope: its address.
 *
 * @category harnesses
 * @since 0.1.0
 */
export const dynamo: Effect.Effect<string, never, Scope.Scope> = Effect.gen(function* () {
  const { endpoint } = yield* listening
  yield* Effect.promise(() => createTable(endpoint))
  return endpoint
})

/**
 * One for all rules of a run, each of which has queues of its own: made when it is first asked for, and
 * gone with the process.
 *
 * @category harnesses
 * @since 0.1.0
 */
export const sharedDynamo: Effect.Effect<string> = Effect.runSync(
  Effect.cached(Effect.flatMap(Scope.make(), (scope) => Scope.provide(dynamo, scope)))
)
