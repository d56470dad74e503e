import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Schema from "effect/Schema"
import * as Report from "./Report.ts"

const path = fileURLToPath(new URL("./part.ts", import.meta.url))

const casesOf = Schema.decodeUnknownSync(Schema.Array(Report.Case))

/** The cases of a part, measured in a process of its own. */
export const run = (suite: string, part: number): Promise<ReadonlyArray<Report.Case>> =>
  new Promise((resolve, reject) => {
    let cases: ReadonlyArray<Report.Case> | undefined
    const child = fork(path, [suite, String(part)])
    child.once("message", (message) => {
      cases = casesOf(message)
    })
    child.once("error", reject)
    child.once("exit", (code, signal) => {
      if (code === 0 && cases !== undefined) resolve(cases)
      else reject(new Error(`benchmark "${suite}" ended with ${signal ?? code}`))
    })
  })
