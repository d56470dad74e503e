import { assert, describe, it } from "@effect/vitest"
import { QueueError, QueueName } from "@queue-runtime/core"
import { ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
import { SqsEmulator } from "@queue-runtime/sqs-emulator"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Result from "effect/Result"
import { Settings } from "@queue-runtime/core"
import * as Advice from "../src/Advice.ts"
import * as Cli from "../src/Cli.ts"
import type { Finding } from "../src/Diagnostics.ts"
import * as Doctor from "../src/Doctor.ts"
import * as ExitCode from "../src/ExitCode.ts"
import * as Failure from "../src/Failure.ts"
import * as Output from "../src/Output.ts"
import * as Queues from "../src/Queues.ts"
import * as QueueStack from "../src/QueueStack.ts"
import { captured } from "./support/captured.ts"

const minute = 60_000

describe("the clock", () => {
  it("R10 is in order until it is five minutes off", () => {
    assert.strictEqual(Doctor.clockFinding(5 * minute, 0).level, "ok")
    assert.match(Doctor.clockFinding(5 * minute, 0).message, /^5m from/u)
    assert.match(Doctor.clockFinding(100, 0).message, /^less than 1s from/u)
    const ahead = Doctor.clockFinding(16 * minute, 0)
    assert.deepStrictEqual([ahead.level, /16m ahead of/u.test(ahead.message)], ["problem", true])
    assert.match(Doctor.clockFinding(0, 16 * minute).message, /16m behind/u)
    assert.match(ahead.remedy ?? "", /timedatectl/u)
  })
})

/** What is found of the queues of a call, or of what kept it from being opened. */
const examine = Effect.fnUntraced(function* (
  environment: Readonly<Record<string, string>>,
  names: ReadonlyArray<string>,
  isOrdered = false
) {
  const configuration = ConfigProvider.layer(ConfigProvider.fromUnknown(environment))
  const settings = yield* Effect.provide(Settings.read, configuration)
  const queues = yield* Effect.forEach(names, (name) => Queues.parse(name, isOrdered))
  const stack = QueueStack.layer({
    provider: environment["QUEUE_PROVIDER"],
    queues,
    settings,
    isRaw: false
  })
  return yield* Layer.build(stack).pipe(
    Effect.result,
    Effect.flatMap((built) =>
      Result.isFailure(built)
        ? Effect.succeed([Doctor.unopened(built.failure)])
        : Effect.provideContext(Doctor.examine(queues.map(({ name }) => name)), built.success)
    ),
    Effect.provide(configuration),
    Effect.provideService(References.MinimumLogLevel, "None"),
    Effect.scoped
  )
})

const problems = (found: ReadonlyArray<Finding>) => found.filter(({ level }) => level !== "ok")

const policy = (name: string, maxReceiveCount: number) => ({
  RedrivePolicy: JSON.stringify({
    deadLetterTargetArn: `arn:aws:sqs:us-east-1:000000000000:${name}`,
    maxReceiveCount
  })
})

const sqs = Effect.map(
  SqsEmulator.make({
    region: "us-east-1",
    queues: {
      "good-dlq": {},
      good: policy("good-dlq", 1_000),
      bare: {},
      "events-dlq.fifo": {},
      "events.fifo": policy("events-dlq.fifo", 1_000),
      "hasty.fifo": policy("events-dlq.fifo", 6)
    }
  }),
  ({ endpoint }) => ({
    QUEUE_PROVIDER: "aws-sqs",
    AWS_ENDPOINT_URL_SQS: endpoint,
    AWS_REGION: "us-east-1",
    QUEUE_AWS_CREDENTIALS: '{"_tag":"Keys","accessKeyId":"a","secretAccessKey":"b"}'
  })
)

interface Case {
  readonly title: string
  readonly queue: string
  readonly isOrdered?: boolean
  readonly environment?: Readonly<Record<string, string>>
  readonly finds: RegExp
  readonly advises: RegExp
}

const sqsCases: ReadonlyArray<Case> = [
  {
    title: "a queue that is not there",
    queue: "nope",
    finds: /QueueNotFound: queue "nope" does not exist/u,
    advises: /name, region and account/u
  },
  {
    title: "no redrive policy",
    queue: "bare",
    finds: /no redrive policy/u,
    advises: /give the queue a redrive policy/u
  },
  {
    title: "a FIFO queue taken for a standard one",
    queue: "events",
    finds: /does not exist/u,
    advises: /a FIFO queue is given as name\.fifo/u
  },
  {
    title: "a configuration that says FIFO of a standard queue",
    queue: "good",
    environment: {
      QUEUE_AWS_QUEUES: '{"good":{"url":"http://127.0.0.1:1/000000000000/good","fifo":true}}'
    },
    finds: /QUEUE_AWS_QUEUES\.good\.fifo: must agree with the name/u,
    advises: /^$/u
  },
  {
    title: "a FIFO queue whose dead-letter queue is none",
    queue: "events.fifo",
    environment: {
      QUEUE_AWS_QUEUES: '{"events":{"name":"events.fifo","deadLetter":{"name":"good-dlq"}}}'
    },
    finds: /QUEUE_AWS_QUEUES\.events\.deadLetter: must end in \.fifo .*; got good-dlq/u,
    advises: /^$/u
  },
  {
    title: "a maximum of receives that is too low against ours",
    queue: "hasty.fifo",
    finds: /maxReceiveCount is 6 and must be above/u,
    advises: /raise maxReceiveCount/u
  },
  {
    title: "a server that is not there",
    queue: "good",
    environment: { AWS_ENDPOINT_URL_SQS: "http://127.0.0.1:1", QUEUE_MAX_RETRY_ATTEMPTS: "1" },
    finds: /ConnectionFailed/u,
    advises: /AWS_REGION and AWS_ENDPOINT_URL_SQS/u
  },
  {
    title: "a setting that is wrong",
    queue: "good",
    environment: { QUEUE_AWS_SOCKETS_MAX: "0" },
    finds: /QUEUE_AWS_SOCKETS_MAX/u,
    advises: /^$/u
  }
]

describe("the doctor on SQS", () => {
  it.live("finds nothing wrong with what is right", () =>
    Effect.gen(function* () {
      const environment = yield* sqs
      assert.deepStrictEqual(problems(yield* examine(environment, ["good", "events.fifo"])), [])
      assert.deepStrictEqual(problems(yield* examine(environment, ["events"], true)), [])
    }).pipe(Effect.scoped)
  )

  it.live.each(sqsCases)("finds $title, and says what to do", (one) =>
    Effect.gen(function* () {
      const environment = { ...(yield* sqs), ...one.environment }
      const [found] = problems(yield* examine(environment, [one.queue], one.isOrdered))
      assert.match(found?.message ?? "", one.finds)
      assert.match(found?.remedy ?? "", one.advises)
    }).pipe(Effect.scoped)
  )

  it.live("names the dead-letter queue of QUEUE_DLQ_NAME", () =>
    Effect.gen(function* () {
      const environment = { ...(yield* sqs), QUEUE_NAME: "bare", QUEUE_DLQ_NAME: "good-dlq" }
      const found = yield* examine(environment, ["bare"])
      assert.deepStrictEqual(problems(found), [])
      assert.isTrue(found.some(({ message }) => message.endsWith("/good-dlq")))
    }).pipe(Effect.scoped)
  )
})

const serviceBus = Effect.map(
  ServiceBusEmulator.make({
    queues: { orders: {}, events: { requiresSession: true } },
    keys: { name: "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U=" }
  }),
  ({ connectionString }) => ({
    QUEUE_PROVIDER: "azure-service-bus",
    QUEUE_MAX_RETRY_ATTEMPTS: "1",
    AZURE_SERVICE_BUS_CONNECTION_STRING: connectionString
  })
)

const serviceBusCases: ReadonlyArray<Case> = [
  {
    title: "a queue that is not there",
    queue: "nope",
    finds: /QueueNotFound/u,
    advises: /az servicebus queue list/u
  },
  {
    title: "sessions that the configuration does not know of",
    queue: "events",
    finds: /requires sessions, and the configuration says it has none/u,
    advises: /set azure\.queues\.events\.sessions to true \(or --ordered\)/u
  },
  {
    title: "sessions that the queue has not got",
    queue: "orders",
    isOrdered: true,
    finds: /has no sessions, and the configuration says it requires them/u,
    advises: /set azure\.queues\.orders\.sessions to false/u
  }
]

describe("the doctor on Service Bus", () => {
  it.live("finds nothing wrong with what is right", () =>
    Effect.gen(function* () {
      const environment = yield* serviceBus
      assert.deepStrictEqual(problems(yield* examine(environment, ["orders"])), [])
      assert.deepStrictEqual(problems(yield* examine(environment, ["events"], true)), [])
    }).pipe(Effect.scoped)
  )

  it.live.each(serviceBusCases)("finds $title, and says what to do", (one) =>
    Effect.gen(function* () {
      const environment = { ...(yield* serviceBus), ...one.environment }
      const [found] = problems(yield* examine(environment, [one.queue], one.isOrdered))
      assert.match(found?.message ?? "", one.finds)
      assert.match(found?.remedy ?? "", one.advises)
    }).pipe(Effect.scoped)
  )

  it.live.each([
    ["events", []],
    ["orders", ["--ordered"]]
  ] as const)("R3.11 who takes %s for what it is not is told how to ask", ([queue, flags]) =>
    Effect.gen(function* () {
      const { surroundings, written } = captured({ environment: yield* serviceBus })
      const code = yield* Cli.run(["receive", "-q", queue, "--wait", "1s", ...flags]).pipe(
        Effect.provideService(Output.Surroundings, surroundings),
        Effect.provide(NodeServices.layer)
      )
      assert.strictEqual(code, ExitCode.codes.unsupported, written.error)
      assert.match(written.error, /queue-runtime doctor says which it is: --ordered[^]*without/u)
    }).pipe(Effect.scoped)
  )

  it.live("finds a key that is not the service's, and shows none", () =>
    Effect.gen(function* () {
      const right = yield* serviceBus
      const wrong = right.AZURE_SERVICE_BUS_CONNECTION_STRING.replace(
        /SharedAccessKey=[^;]+/u,
        "SharedAccessKey=d3Jvbmd3cm9uZ3dyb25nd3Jvbmd3cm9uZ3dyb25nd3I="
      )
      const environment = { ...right, AZURE_SERVICE_BUS_CONNECTION_STRING: wrong }
      const [found] = problems(yield* examine(environment, ["orders"]))
      assert.match(found?.message ?? "", /AuthenticationFailed/u)
      assert.match(found?.remedy ?? "", /SharedAccessKeyName and SharedAccessKey/u)
      assert.notInclude(JSON.stringify(found), "d3Jvbmd3")
    }).pipe(Effect.scoped)
  )
})

const reasons: ReadonlyArray<
  readonly [QueueError.Reason, provider: string, advice: RegExp | undefined, code: ExitCode.Name]
> = [
  [new QueueError.QueueNotFound({ queue: "q" }), "memory", /memory\.queues/u, "notFound"],
  [
    new QueueError.AuthenticationFailed({ detail: "RequestTimeTooSkewed" }),
    "aws-sqs",
    /set the clock/u,
    "unreachable"
  ],
  [new QueueError.AuthenticationFailed({}), "aws-sqs", /sts get-caller-identity/u, "unreachable"],
  [
    new QueueError.PermissionDenied({ operation: "send" }),
    "aws-sqs",
    /sqs:SendMessage/u,
    "unreachable"
  ],
  [
    new QueueError.PermissionDenied({ operation: "send" }),
    "azure-service-bus",
    /Send and Listen/u,
    "unreachable"
  ],
  [
    new QueueError.Timeout({ after: Duration.seconds(1) }),
    "azure-service-bus",
    /5671/u,
    "unreachable"
  ],
  [new QueueError.ConnectionFailed({}), "other", /network/u, "unreachable"],
  [new QueueError.Throttled({}), "aws-sqs", /--rate/u, "unreachable"],
  [
    new QueueError.UnsupportedOperation({ what: "peek", provider: "aws-sqs" }),
    "aws-sqs",
    /--receive/u,
    "unsupported"
  ],
  [
    new QueueError.UnsupportedOperation({ what: "reading dead letters", provider: "x" }),
    "x",
    /redrive policy/u,
    "unsupported"
  ],
  [
    new QueueError.UnsupportedOperation({ what: "accepting a session", provider: "x" }),
    "x",
    /--ordered/u,
    "unsupported"
  ],
  [
    new QueueError.UnsupportedOperation({ what: "accepting a session by its id", provider: "x" }),
    "aws-sqs",
    /without --session[^]*strict to false/u,
    "unsupported"
  ],
  [
    new QueueError.UnsupportedOperation({ what: "session state", provider: "x" }),
    "aws-sqs",
    undefined,
    "unsupported"
  ],
  [
    new QueueError.UnsupportedOperation({ what: "dead-lettering", provider: "x" }),
    "aws-sqs",
    /redrive policy/u,
    "unsupported"
  ],
  [
    new QueueError.UnsupportedOperation({ what: "dead-lettering a dead letter", provider: "x" }),
    "memory",
    undefined,
    "unsupported"
  ],
  [
    new QueueError.ConfigurationInvalid({ key: "@azure/service-bus", problem: "must be >=7.9.5" }),
    "x",
    /npm install @azure\/service-bus/u,
    "usage"
  ],
  [
    new QueueError.ValidationFailed({
      field: "sessionId",
      problem: "an ordered queue takes no message without a session id"
    }),
    "x",
    /--session ID/u,
    "usage"
  ],
  [
    new QueueError.ValidationFailed({ field: "messageId", problem: "must have 1" }),
    "x",
    undefined,
    "usage"
  ],
  [
    new QueueError.MessageTooLarge({ actualBytes: 2, maximumBytes: 1, index: 0 }),
    "x",
    /CLAIM_CHECK_STORE/u,
    "usage"
  ],
  [new QueueError.UnencryptedMessage(), "x", /--raw/u, "failure"],
  [new QueueError.SessionLocked({ sessionId: "s" }), "x", /wait/u, "failure"],
  [new QueueError.ReceiptExpired(), "x", undefined, "failure"]
]

describe("what to do", () => {
  it("R10.8 is said of every error that somebody can do something about", () => {
    for (const [reason, provider, advice, code] of reasons) {
      const error = QueueError.make(reason, { provider })
      const given = Advice.forError(error)
      if (advice === undefined) assert.isUndefined(given)
      else assert.match(given ?? "", advice)
      assert.strictEqual(Failure.from(error).code, code)
    }
  })

  it("a failure of the tool's own stays as it is", () => {
    const failure = Failure.usage("wrong", "right")
    assert.strictEqual(Failure.from(failure), failure)
    assert.isTrue(Failure.isFailing(failure))
    assert.isFalse(Failure.isFailing(new Error("other")))
  })

  it("the codes differ, all of them", () => {
    const codes = Object.values(ExitCode.codes)
    assert.strictEqual(new Set(codes).size, codes.length)
  })

  it.effect("a queue may be named as SQS names it", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Queues.parse("events.fifo", false), {
        name: QueueName.makeUnsafe("events"),
        physical: "events.fifo",
        isOrdered: true
      })
      const failure = yield* Effect.flip(Queues.parse("a b", false))
      assert.strictEqual(failure.code, "usage")
    })
  )
})
