/** Starts worker processes, kills or stops one in the middle of its work, and waits until all is done. */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { type ChildProcess, spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { type Evidence, type Job, Line } from "./history.ts"

const program = fileURLToPath(new URL("worker.ts", import.meta.url))

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Line))

/** A worker process ended by itself. */
export class WorkerEnded extends Schema.TaggedError<WorkerEnded>()("WorkerEnded", {
  code: Schema.Int,
  complaints: Schema.String
}) {
  override get message(): string {
    return `a worker process ended with ${this.code}: ${this.complaints}`
  }
}

export interface Options {
  readonly job: Job
  readonly processes: number
  readonly sent: ReadonlyMap<string, ReadonlyArray<string>>
  /** When so many messages have ended, a process is killed at the next one it begins, with SIGKILL. */
  readonly killAfter: number
  /** It is not killed, but stands still for so long. */
  readonly standstill?: Duration.Duration
  /** What has not ended by then is lost. */
  readonly deadline: Duration.Input
}

const start = (job: Job): ChildProcess => {
  const args = ["--conditions=@queue-runtime/source", program, JSON.stringify(job)]
  return spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] })
}

/** What the processes said until every message had ended, or until the deadline. */
export const run = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Evidence, WorkerEnded> {
  const { deadline, job, killAfter, processes, sent, standstill } = options
  const lines: Array<Line> = []
  const killed = new Set<number>()
  const left = new Set([...sent.values()].flat())
  const total = left.size
  const done = yield* Deferred.make<void, WorkerEnded>()
  const stopped = yield* Deferred.make<ChildProcess>()

  const hear = (child: ChildProcess, text: string): void => {
    const line = decode(text)
    lines.push(line)
    if (line._tag === "Ended") left.delete(line.id)
    const isInTheMiddle = line._tag === "Started" && total - left.size >= killAfter
    if (isInTheMiddle && killed.size === 0) {
      killed.add(line.pid)
      child.kill(standstill === undefined ? "SIGKILL" : "SIGSTOP")
      Deferred.doneUnsafe(stopped, Exit.succeed(child))
    }
    if (left.size === 0) Deferred.doneUnsafe(done, Exit.void)
  }

  const watch = (child: ChildProcess): void => {
    const complaints: Array<string> = []
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on("line", (text) => hear(child, text))
    }
    if (child.stderr !== null) {
      createInterface({ input: child.stderr }).on("line", (text) => complaints.push(text))
    }
    child.on("exit", (code) => {
      // Nobody but us sends a signal.
      if (code === null) return
      const ended = new WorkerEnded({ code, complaints: complaints.join("\n") })
      Deferred.doneUnsafe(done, Exit.fail(ended))
    })
  }

  const children = Array.from({ length: processes }, () => start(job))
  for (const child of children) watch(child)
  /** It goes on, and has time to do what it should not. */
  const goneOn =
    standstill === undefined
      ? Effect.void
      : Effect.flatMap(Deferred.await(stopped), (child) =>
          Effect.sync(() => child.kill("SIGCONT")).pipe(
            Effect.delay(standstill),
            Effect.andThen(Effect.sleep("2 seconds"))
          )
        )
  const both = Effect.all([Deferred.await(done), goneOn], { concurrency: 2, discard: true })
  yield* Effect.timeoutOption(both, deadline).pipe(
    Effect.ensuring(
      Effect.sync(() => {
        for (const child of children) child.kill("SIGKILL")
      })
    )
  )
  return { sent, lines, killed }
})
