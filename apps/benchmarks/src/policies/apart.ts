/**
 * Tasks in processes of their own. In one process the compiler sees the code they share as all of them use
 * it, and one collects what another left: the first sample behind another task was a third dearer than those
 * behind itself.
 */
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import type * as measure from "../measure.ts"
import type { Name } from "./tasks.ts"

const path = fileURLToPath(new URL("./task.ts", import.meta.url))

/** What it sends next. */
const next = (child: ChildProcess): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const onEnd = (code: number | null, signal: NodeJS.Signals | null): void => {
      reject(new Error(`a task ended with ${signal ?? code}`))
    }
    child.once("exit", onEnd)
    child.once("error", reject)
    child.once("message", (message) => {
      child.off("exit", onEnd)
      child.off("error", reject)
      resolve(message)
    })
  })

const sampled = async (child: ChildProcess): Promise<number> => {
  const answer = next(child)
  child.send("sample")
  const nanoseconds = await answer
  if (typeof nanoseconds !== "number") throw new Error("a task sent no sample")
  return nanoseconds
}

/** Tasks that are ready to be sampled; what is asked of one, no other does meanwhile. */
export interface Apart {
  readonly tasks: ReadonlyArray<measure.Task>
  readonly close: () => void
  /** How each process ended. */
  readonly ended: Promise<ReadonlyArray<number | null>>
}

/** Starts a process for each, one after the other. */
export const open = async (names: ReadonlyArray<Name>): Promise<Apart> => {
  const children: Array<ChildProcess> = []
  const ends: Array<Promise<number | null>> = []
  const tasks: Array<measure.Task> = []
  for (const name of names) {
    const child = fork(path, [name])
    children.push(child)
    ends.push(new Promise((resolve) => child.once("exit", resolve)))
    await next(child)
    tasks.push({ name, sample: () => sampled(child) })
  }
  return {
    tasks,
    // Nothing else keeps them.
    close: () => {
      for (const child of children) child.disconnect()
    },
    ended: Promise.all(ends)
  }
}
