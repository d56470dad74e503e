/**
 * Asking the registry for known vulnerabilities.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { spawnSync } from "node:child_process"
import * as Repository from "../repository.ts"

const Advisory = Schema.Struct({
  module_name: Schema.String,
  severity: Schema.String,
  title: Schema.String,
  vulnerable_versions: Schema.String,
  url: Schema.optionalKey(Schema.String)
})

/** What `pnpm audit --json` writes when it was answered. */
const Report = Schema.fromJsonString(
  Schema.Struct({ advisories: Schema.Record(Schema.String, Advisory) })
)

/**
 * How it ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface Audit {
  readonly code: 0 | 1 | 2
  readonly text: string
}

/**
 * What is made of the answer: a report, or anything else, which is no answer.
 *
 * @category reading
 * @since 0.1.0
 */
export const judge = (stdout: string, stderr: string): Audit => {
  const report = Schema.decodeUnknownOption(Report)(stdout)
  if (Option.isNone(report)) {
    const why = `${stdout}${stderr}`.trim()
    const text = `audit: the registry could not be asked, so nothing is known:\n${why}`
    return { code: 2, text }
  }
  const found = Object.values(report.value.advisories)
  if (found.length === 0) return { code: 0, text: "audit: no known vulnerability" }
  const lines = found.map(
    ({ module_name, severity, title, url, vulnerable_versions }) =>
      `${module_name} ${vulnerable_versions}: ${severity}: ${title}${url === undefined ? "" : ` ${url}`}`
  )
  return { code: 1, text: ["audit: known vulnerabilities", ...lines].join("\n") }
}

/**
 * Asks about everything that is installed for production, development aside.
 *
 * @category running
 * @since 0.1.0
 */
export const audit = (
  cwd: string,
  options: ReadonlyArray<string> = [],
  environment: Readonly<Record<string, string>> = {}
): Audit => {
  const pnpm = Repository.absolute("node_modules/.bin/pnpm")
  const args = ["audit", "--prod", "--json", ...options]
  const { error, stderr, stdout } = spawnSync(pnpm, args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, ...environment }
  })
  return judge(stdout ?? "", error === undefined ? (stderr ?? "") : error.message)
}
