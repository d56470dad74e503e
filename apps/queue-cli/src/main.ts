#!/usr/bin/env node
/**
 * The command `queue-runtime`.
 *
 * **Details** What is compiled once is kept for the next call, which then starts in half the time; only
 * what is imported after it was switched on is. Everything is imported late, so that a Node that is too
 * old is told so, not of the first name it does not know.
 *
 * @since 0.1.0
 */
import * as nodeVersion from "./nodeVersion.ts"

const objection = nodeVersion.objection(process.versions.node)

if (objection === undefined) {
  const { enableCompileCache } = await import("node:module")
  enableCompileCache()
  await import("./process.ts")
} else {
  process.stderr.write(`${objection}\n`)
  process.exitCode = 2
}
