// oxlint-disable no-await-in-loop -- one after the other is what is shown
/**
 * What becomes of messages when the SDK is used the way its documentation shows: each trap of
 * `test/Traps.test.ts` with a naive program. It shows when the SDK is mended.
 *
 * Run: `node --conditions=@queue-runtime/source packages/provider-azure/reports/traps.ts`
 */
import { ServiceBusClient, type ServiceBusReceivedMessage } from "@azure/service-bus"
import { ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
import { Effect } from "effect"
import { setTimeout as sleep } from "node:timers/promises"

const lock = { lockDuration: "5 seconds", maxDeliveryCount: 10 } as const

const once = { maxRetries: 0 } as const

const print = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

interface World {
  readonly client: ServiceBusClient
  readonly emulator: ServiceBusEmulator.Emulator
}

let unhandled = 0
process.on("unhandledRejection", () => {
  unhandled++
})

const limitMillis = 15_000

/** A world for one trap. */
const within = async (title: string, f: (world: World) => Promise<string>): Promise<void> => {
  const started = await ServiceBusEmulator.start({
    queues: { plain: { ...lock }, ordered: { ...lock, requiresSession: true } }
  })
  const client = new ServiceBusClient(started.connectionString, { retryOptions: once })
  const late = sleep(limitMillis, "did not end", { ref: false })
  const found = await Promise.race([f({ client, emulator: started.emulator }), late])
  print(`${title}\n  ${found}`)
  await Promise.race([client.close(), sleep(1_000)])
  // Not awaited: a client that is still closing would keep it.
  void started.close()
}

const send = (client: ServiceBusClient, ids: ReadonlyArray<string>) =>
  client.createSender("plain").sendMessages(ids.map((id) => ({ body: id, messageId: id })))

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `m${index}`)

const noRenewal = { maxAutoLockRenewalDurationInMs: 0 }

await within("§5.1 settling a batch with mixed outcomes", async ({ client, emulator }) => {
  await send(client, numbered(1_000))
  const receiver = client.createReceiver("plain", noRenewal)
  const wanted = new Map<string, string>()
  for (let seen = 0; seen < 1_000;) {
    const batch = await receiver.receiveMessages(20, { maxWaitTimeInMs: 500 })
    seen += batch.filter(({ deliveryCount }) => deliveryCount === 0).length
    await Promise.all(
      batch.map((message, index) => {
        const isGood = (message.deliveryCount ?? 0) > 0 || index % 3 !== 1
        if (message.deliveryCount === 0) {
          wanted.set(String(message.messageId), isGood ? "Complete" : "Abandon")
        }
        return isGood ? receiver.completeMessage(message) : receiver.abandonMessage(message)
      })
    )
    if (batch.length === 0) break
  }
  const settlements = await Effect.runPromise(emulator.settlements)
  const first = new Map(
    settlements
      .filter(({ deliveryCount }) => deliveryCount === 0)
      .map(({ messageId, outcome }) => [String(messageId), outcome] as const)
  )
  const wrong = [...wanted].filter(([id, outcome]) => first.get(id) !== outcome)
  const lost = wrong.filter(([, outcome]) => outcome === "Abandon").length
  return `${lost} abandoned messages deleted, ${wrong.length - lost} completed ones abandoned`
})

await within("§5.2 one message held beside 2,500 others", async ({ client }) => {
  const receiver = client.createReceiver("plain")
  await send(client, ["held"])
  await receiver.receiveMessages(1)
  for (let part = 0; part < 5; part++) await send(client, numbered(500))
  let done = 0
  for (;;) {
    const receive = receiver.receiveMessages(100, { maxWaitTimeInMs: 700 })
    const batch = await Promise.race([receive, sleep(3_000).then(() => [])])
    if (batch.length === 0) break
    await Promise.all(batch.map((message) => receiver.completeMessage(message)))
    done += batch.length
  }
  return `${done} of 2500 were received`
})

await within("§5.3 a request to the service's management", async ({ client }) => {
  const receiver = client.createReceiver("plain")
  await receiver.peekMessages(1)
  const start = performance.now()
  for (let call = 0; call < 10; call++) await receiver.peekMessages(1)
  return `${((performance.now() - start) / 10).toFixed(1)} ms each`
})

await within("§5.4 two messages of one id under automatic renewal", async ({ client }) => {
  await send(client, ["same", "same"])
  const receiver = client.createReceiver("plain")
  const [first, second] = await receiver.receiveMessages(2)
  if (first === undefined || second === undefined) return "not both were received"
  await receiver.completeMessage(first)
  await sleep(6_500)
  return receiver.completeMessage(second).then(
    () => "the second kept its lock",
    (error: unknown) => `the second lost its lock: ${String(error)}`
  )
})

await within("§5.4 an aborted acceptNextSession", async ({ client }) => {
  const start = performance.now()
  const accept = client.acceptNextSession("ordered", { abortSignal: AbortSignal.timeout(300) })
  const outcome = await Promise.race([
    accept.then(
      () => "granted",
      () => "rejected"
    ),
    sleep(4_000).then(() => "still waiting")
  ])
  return `${outcome} after ${Math.round(performance.now() - start)} ms`
})

await within(
  "§5.4 an aborted receiveMessages with a message in hand",
  async ({ client, emulator }) => {
    const receiver = client.createReceiver("plain", noRenewal)
    const abort = new AbortController()
    const receive = receiver.receiveMessages(10, {
      maxWaitTimeInMs: 5_000,
      abortSignal: abort.signal
    })
    await sleep(200)
    await send(client, ["a"])
    await sleep(100)
    abort.abort()
    const got = await receive.catch((): Array<ServiceBusReceivedMessage> => [])
    const { locked } = await Effect.runPromise(emulator.inspect("plain"))
    return `${got.length} received, ${locked} left locked`
  }
)

await within("§5.4 5,000 single sends side by side", async ({ client }) => {
  const sender = client.createSender("plain")
  const start = performance.now()
  const outcomes = await Promise.allSettled(
    numbered(5_000).map((id) => sender.sendMessages({ body: id }))
  )
  const failed = outcomes.filter(({ status }) => status === "rejected").length
  return `${failed} failed, ${Math.round(performance.now() - start)} ms`
})

await within("§1.8 a session of a queue that does not exist", async ({ client }) =>
  client.acceptSession("missing", "A").then(
    () => "granted",
    (error: unknown) => String(error)
  )
)

await within("§4.2 lost connections while calls begin", async ({ client, emulator }) => {
  const sender = client.createSender("plain")
  const receiver = client.createReceiver("plain", noRenewal)
  const calls = [
    () => sender.sendMessages({ body: "a" }),
    () => receiver.peekMessages(1),
    () => client.acceptSession("ordered", "A").then((session) => session.close()),
    () => client.acceptSession("ordered", "B").then((session) => session.close())
  ]
  const over = new AbortController()
  const users = calls.map(async (call) => {
    while (!over.signal.aborted) {
      await Promise.race([call().catch(() => undefined), sleep(1_000)])
      await sleep(5)
    }
  })
  for (let drops = 0; drops < 40; drops++) {
    await Effect.runPromise(emulator.dropConnections)
    await sleep(50 + (drops % 7) * 10)
  }
  over.abort()
  await Promise.all(users)
  const after = await Promise.race([
    sender.sendMessages({ body: "b" }).then(
      () => "a send succeeded",
      (error: unknown) => `a send failed: ${String(error)}`
    ),
    sleep(6_000).then(() => "a send had not ended after 6 s")
  ])
  return `after 40 of them ${after}`
})

await within("§5.4 a settlement that is cut off", async ({ client, emulator }) => {
  await send(client, ["a"])
  const receiver = client.createReceiver("plain", noRenewal)
  const [a] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 2_000 })
  if (a === undefined) return "a was not received"
  const settled = receiver.completeMessage(a).then(
    () => "it succeeded",
    (error: unknown) => `it failed: ${String(error)}`
  )
  await Effect.runPromise(emulator.dropConnections)
  await Promise.race([client.close(), sleep(1_000)])
  // The SDK's timer for it is one of a minute, and keeps the process alive.
  return Promise.race([settled, sleep(8_000, "it had not ended 8 s after the client was closed")])
})

print(`unhandled rejections of the SDK: ${unhandled}`)
process.exit(0)
