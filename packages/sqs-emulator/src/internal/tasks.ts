/** Message move tasks: what empties a dead-letter queue. */
import * as administering from "./administering.ts"
import * as brokers from "./broker.ts"
import type { Broker } from "./broker.ts"
import * as input from "./input.ts"
import * as limits from "./limits.ts"
import type { Message } from "./message.ts"
import type { Queue } from "./queue.ts"
import * as refusals from "./refusals.ts"

type Status = "RUNNING" | "COMPLETED" | "CANCELLED" | "FAILED"

/** One task. */
export interface Task {
  readonly id: string
  readonly source: Queue
  readonly destinationArn: string | undefined
  /** Messages a second; without one the task takes the most there may be. */
  readonly perSecond: number | undefined
  readonly startedAt: number
  readonly toMove: number
  /** What is left to move: the messages that were there when it began. */
  readonly pending: Array<Message>
  moved: number
  status: Status
  failure: string | undefined
}

const handleOf = ({ id, source }: Task): string =>
  Buffer.from(JSON.stringify({ taskId: id, sourceArn: source.arn })).toString("base64")

const sourceOf = (broker: Broker, from: input.Input): Queue => {
  const arn = input.requiredText(from, "SourceArn")
  return brokers.byArn(broker, arn) ?? refusals.refuse(refusals.noResource("SourceArn"))
}

/** StartMessageMoveTask; what it returns is to be run by `step`. */
export const start = (broker: Broker, from: input.Input, now: number): Task => {
  const source = sourceOf(broker, from)
  brokers.turn(broker, source, () => undefined)
  const destinationArn = input.text(from, "DestinationArn")
  const perSecond = input.intWithin(
    from,
    "MaxNumberOfMessagesPerSecond",
    1,
    limits.tasksPerSecondMax
  )
  if (administering.sourcesOf(broker, source).length === 0) {
    refusals.refuse(refusals.notDeadLetterQueue())
  }
  if (destinationArn !== undefined && brokers.byArn(broker, destinationArn) === undefined) {
    refusals.refuse(refusals.noResource("DestinationArn"))
  }
  if (source.tasks.some(({ status }) => status === "RUNNING")) {
    refusals.refuse(refusals.taskRunning())
  }
  const pending = [...source.messages.values()].filter(({ state }) => state === "Visible")
  const task: Task = {
    id: broker.nextId(),
    source,
    destinationArn,
    perSecond,
    startedAt: now,
    toMove: pending.length,
    // Taken from the end.
    pending: pending.toReversed(),
    moved: 0,
    status: "RUNNING",
    failure: undefined
  }
  source.tasks.unshift(task)
  source.tasks.length = Math.min(source.tasks.length, limits.tasksMax)
  return task
}

/** The handle that cancels a task. */
export const answerOf = (task: Task): { readonly TaskHandle: string } => ({
  TaskHandle: handleOf(task)
})

const toListed = (task: Task): object => {
  const { destinationArn, failure, perSecond } = task
  return {
    ...(task.status === "RUNNING" ? { TaskHandle: handleOf(task) } : {}),
    Status: task.status,
    SourceArn: task.source.arn,
    ...(destinationArn === undefined ? {} : { DestinationArn: destinationArn }),
    ...(perSecond === undefined ? {} : { MaxNumberOfMessagesPerSecond: perSecond }),
    ApproximateNumberOfMessagesMoved: task.moved,
    ApproximateNumberOfMessagesToMove: task.toMove,
    ...(failure === undefined ? {} : { FailureReason: failure }),
    StartedTimestamp: task.startedAt
  }
}

/** ListMessageMoveTasks: the newest first. */
export const list = (broker: Broker, from: input.Input) => {
  const source = sourceOf(broker, from)
  const max = input.intWithin(from, "MaxResults", 1, limits.tasksMax) ?? 1
  return { Results: source.tasks.slice(0, max).map(toListed) }
}

const handleForm = /^\{"taskId":"([0-9a-f-]+)","sourceArn":"([^"]+)"\}$/u

/** CancelMessageMoveTask: what is moved stays moved. */
export const cancel = (broker: Broker, from: input.Input) => {
  const handle = input.requiredText(from, "TaskHandle")
  const parts = handleForm.exec(Buffer.from(handle, "base64").toString())
  const [, id = "", arn = ""] = parts ?? refusals.refuse(refusals.invalidTask())
  const source = brokers.byArn(broker, arn) ?? refusals.refuse(refusals.noResource("SourceArn"))
  const task =
    source.tasks.find((one) => one.id === id && one.status === "RUNNING") ??
    refusals.refuse(refusals.noTask())
  task.status = "CANCELLED"
  return { ApproximateNumberOfMessagesMoved: task.moved }
}

const moveOne = (broker: Broker, task: Task, message: Message, now: number): boolean => {
  const arn = task.destinationArn ?? message.sourceArn
  const target = arn === undefined ? undefined : brokers.byArn(broker, arn)
  if (target === undefined || target.fifo !== task.source.fifo) return false
  brokers.move(broker, task.source, message, target, {
    // A moved message is a new one: its id, its age and its receives begin anew.
    content: { ...message.content, id: broker.nextId(), sentAt: now },
    enqueuedAt: now,
    sourceArn: undefined,
    receivesBefore: 0,
    firstReceivedAt: undefined,
    now
  })
  return true
}

/** One second of a task; false when it is over. */
export const step = (broker: Broker, task: Task): boolean => {
  if (task.source.deleted && task.status === "RUNNING") task.status = "CANCELLED"
  if (task.status !== "RUNNING") return false
  brokers.turn(broker, task.source, (now) => {
    let left = task.perSecond ?? limits.tasksPerSecondMax
    for (; left > 0 && task.pending.length > 0; left--) {
      const message = task.pending.pop()
      if (message?.state !== "Visible") continue
      if (!moveOne(broker, task, message, now)) {
        task.status = "FAILED"
        task.failure = "AWS.SimpleQueueService.NonExistentQueue"
        return
      }
      task.moved++
    }
    if (task.pending.length === 0) task.status = "COMPLETED"
  })
  return task.status === "RUNNING"
}
