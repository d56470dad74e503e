import { CreateTableCommand, DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb"
import dynalite from "dynalite"
import { Effect } from "effect"

/** A server with a table of its own, gone with the scope. */
export interface Dynamo {
  readonly client: {
    readonly endpoint: string
    readonly region: string
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  }
  readonly table: string
  /** What stands in the table under a key. */
  readonly item: (pk: string) => Effect.Effect<Readonly<Record<string, unknown>> | undefined>
}

const table = "sessions"

const listening = Effect.acquireRelease(
  Effect.promise(
    () =>
      new Promise<{ readonly port: number; readonly close: () => void }>((resolve) => {
        const server = dynalite({ createTableMs: 0 })
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          const port = typeof address === "object" && address !== null ? address.port : 0
          resolve({
            port,
            close: () => {
              server.closeAllConnections()
              server.close()
            }
          })
        })
      })
  ),
  ({ close }) => Effect.sync(close)
)

export const makeDynamo = Effect.gen(function* () {
  const { port } = yield* listening
  const client = {
    endpoint: `http://127.0.0.1:${port}`,
    region: "eu-central-1",
    credentials: { accessKeyId: "id", secretAccessKey: "secret" }
  }
  const sdk = yield* Effect.acquireRelease(
    // A copy: the SDK writes into what it is given.
    Effect.sync(() => new DynamoDBClient({ ...client, credentials: { ...client.credentials } })),
    (self) => Effect.sync(() => self.destroy())
  )
  yield* Effect.promise(() =>
    sdk.send(
      new CreateTableCommand({
        TableName: table,
        KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }],
        AttributeDefinitions: [{ AttributeName: "pk", AttributeType: "S" }],
        BillingMode: "PAY_PER_REQUEST"
      })
    )
  )
  const dynamo: Dynamo = {
    client,
    table,
    item: (pk) =>
      Effect.promise(() =>
        sdk.send(new GetItemCommand({ TableName: table, Key: { pk: { S: pk } } }))
      ).pipe(Effect.map(({ Item }) => Item))
  }
  return dynamo
})
