import { afterAll, beforeAll } from "@effect/vitest"
import { SqsEmulator } from "@queue-runtime/sqs-emulator"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as commands from "./support/commands.ts"

const withDeadLetters = (name: string, suffix: string) => {
  const policy = {
    deadLetterTargetArn: `arn:aws:sqs:us-east-1:000000000000:${name}-dlq${suffix}`,
    maxReceiveCount: 100
  }
  return [
    [`${name}-dlq${suffix}`, {}],
    [`${name}${suffix}`, { RedrivePolicy: JSON.stringify(policy) }]
  ] as const
}

const { ordered, plain } = commands.queues

let cwd = ""
let emulator: SqsEmulator.Started | undefined

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), "queue-cli-"))
  emulator = await SqsEmulator.start({
    region: "us-east-1",
    queues: Object.fromEntries([
      ...plain.flatMap((name) => withDeadLetters(name, "")),
      ...ordered.flatMap((name) => withDeadLetters(name, ".fifo"))
    ])
  })
})

afterAll(async () => {
  await emulator?.close()
  rmSync(cwd, { recursive: true })
})

commands.suite("SQS", () => ({
  cwd,
  // The SDK's own variables.
  environment: {
    QUEUE_PROVIDER: "aws",
    QUEUE_RECEIVE_TIMEOUT_SECONDS: "1",
    AWS_ENDPOINT_URL_SQS: emulator?.endpoint ?? "",
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "test",
    AWS_SECRET_ACCESS_KEY: "test"
  },
  flags: [],
  canPeek: false,
  remedyOfMissing: /aws sqs list-queues/u
}))
