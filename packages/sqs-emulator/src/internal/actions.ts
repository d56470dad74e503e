/** Every call by its name. */
import * as administering from "./administering.ts"
import type { FailEntry } from "./batch.ts"
import * as brokers from "./broker.ts"
import type { Broker } from "./broker.ts"
import type { Input } from "./input.ts"
import * as permissions from "./permissions.ts"
import type { Queue } from "./queue.ts"
import * as sending from "./sending.ts"
import * as settling from "./settling.ts"
import * as tasks from "./tasks.ts"

/** What a call gets beside its input. */
export interface Context {
  readonly broker: Broker
  /** What the URL of a queue begins with. */
  readonly endpoint: string
  readonly sendTwist: Omit<sending.Twist, "fail">
  readonly failEntry: FailEntry | undefined
  /** Moves the messages of a task, in the background. */
  readonly runTask: (task: tasks.Task) => void
}

type Action = (context: Context, input: Input) => object

const done = {}

/** A call on the queue that its URL names. */
const on =
  (f: (context: Context, queue: Queue, input: Input, now: number) => object | void): Action =>
  (context, input) => {
    const queue = brokers.queueOf(context.broker, input)
    return brokers.turn(context.broker, queue, (now) => f(context, queue, input, now)) ?? done
  }

const urlOf = ({ broker, endpoint }: Context, { name }: Queue): string =>
  `${endpoint}/${broker.config.account}/${name}`

const listed = (
  context: Context,
  page: { readonly items: ReadonlyArray<Queue>; readonly NextToken?: string },
  name: string
): object => {
  const { NextToken } = page
  const urls = page.items.map((queue) => urlOf(context, queue))
  return {
    ...(urls.length === 0 && name === "QueueUrls" ? {} : { [name]: urls }),
    ...(NextToken === undefined ? {} : { NextToken })
  }
}

const twistOf = ({ failEntry, sendTwist }: Context): sending.Twist => ({
  ...sendTwist,
  fail: failEntry
})

/** All calls but ReceiveMessage, which may wait. */
export const actions = {
  AddPermission: on((_, queue, input, now) => permissions.add(queue, input, now)),
  CancelMessageMoveTask: ({ broker }: Context, input: Input) => tasks.cancel(broker, input),
  ChangeMessageVisibility: on(({ broker }, queue, input, now) =>
    settling.change(broker, queue, input, now)
  ),
  ChangeMessageVisibilityBatch: on(({ broker, failEntry }, queue, input, now) =>
    settling.changeMany(broker, queue, input, failEntry, now)
  ),
  CreateQueue: (context: Context, input: Input) => ({
    QueueUrl: urlOf(context, administering.create(context.broker, input))
  }),
  DeleteMessage: on(({ broker }, queue, input) => settling.remove(broker, queue, input)),
  DeleteMessageBatch: on(({ broker, failEntry }, queue, input) =>
    settling.removeMany(broker, queue, input, failEntry)
  ),
  DeleteQueue: ({ broker }: Context, input: Input) => {
    administering.remove(broker, brokers.queueOf(broker, input))
    return done
  },
  GetQueueAttributes: on((_, queue, input) => {
    const Attributes = administering.attributesOf(queue, input)
    return Attributes === undefined ? done : { Attributes }
  }),
  GetQueueUrl: (context: Context, input: Input) => ({
    QueueUrl: urlOf(context, administering.find(context.broker, input))
  }),
  ListDeadLetterSourceQueues: on((context, queue, input) =>
    listed(context, administering.sources(context.broker, queue, input), "queueUrls")
  ),
  ListMessageMoveTasks: ({ broker }: Context, input: Input) => tasks.list(broker, input),
  ListQueueTags: on((_, queue) =>
    queue.tags.size === 0 ? done : { Tags: Object.fromEntries(queue.tags) }
  ),
  ListQueues: (context: Context, input: Input) =>
    listed(context, administering.list(context.broker, input), "QueueUrls"),
  PurgeQueue: on((_, queue, __, now) => administering.purge(queue, now)),
  RemovePermission: on((_, queue, input, now) => permissions.remove(queue, input, now)),
  SendMessage: on((context, queue, input, now) =>
    sending.one(context.broker, queue, input, twistOf(context), now)
  ),
  SendMessageBatch: on((context, queue, input, now) =>
    sending.many(context.broker, queue, input, twistOf(context), now)
  ),
  SetQueueAttributes: on(({ broker }, queue, input, now) =>
    administering.setAttributes(broker, queue, input, now)
  ),
  StartMessageMoveTask: ({ broker, runTask }: Context, input: Input) => {
    const task = tasks.start(broker, input, broker.surroundings.now())
    runTask(task)
    return tasks.answerOf(task)
  },
  TagQueue: on((_, queue, input) => administering.tag(queue, input)),
  UntagQueue: on((_, queue, input) => administering.untag(queue, input))
} satisfies Record<string, Action>

/** The names of all calls. */
export type Name = keyof typeof actions | "ReceiveMessage"

/** Whether a call of this name exists. */
export const isName = (name: string): name is Name =>
  name === "ReceiveMessage" || Object.hasOwn(actions, name)
