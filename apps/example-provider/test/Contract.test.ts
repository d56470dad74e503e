import { type Harness, ProviderContract, Time } from "@queue-runtime/contract-tests"
import { it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdtempDisposableSync } from "node:fs"
import { tmpdir } from "node:os"
import { SqliteClient, SqliteProvider } from "../src/index.ts"

const folder = Effect.sync(() => mkdtempDisposableSync(`${tmpdir()}/queues-`))
const open = Effect.fnUntraced(function* ({ queue, ...options }: Harness.QueueSpec) {
  const path = `${(yield* Effect.acquireDisposable(folder)).path}/queues.db`
  const client = yield* SqliteClient.make({ path })
  yield* client.createQueue(queue, options)
  return { layer: SqliteProvider.layer({ path }) }
})
ProviderContract.suite(it, { name: "sqlite", time: Time.virtual, open })
