/**
 * Compiles and runs examples: one run of the compiler and one of Node for all of them.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Examples from "./examples.ts"
import * as Repository from "./repository.ts"

const folder = "apps/repo-checks/.examples"

/** Both runs together stay well under it. */
const limitMillis = 60_000

const options = {
  extends: "../../../tsconfig.base.json",
  // An example shows a value without using it, and exports nothing.
  compilerOptions: {
    noEmit: true,
    noUnusedLocals: false,
    declaration: false,
    declarationMap: false
  }
}

const configOf = (group: string): string => `tsconfig.${group}.json`

const writeAll = (examples: ReadonlyArray<Examples.Example>, group: string): void => {
  for (const { file, program } of examples) {
    Repository.write({ path: `${folder}/${file}`, text: program })
  }
  const files = examples.map(({ file }) => file)
  const config = JSON.stringify({ ...options, files }, undefined, 2)
  Repository.write({ path: `${folder}/${configOf(group)}`, text: `${config}\n` })
}

/**
 * What failed, by example: each line names the place in the source.
 *
 * @category models
 * @since 0.1.0
 */
export type Failures = ReadonlyMap<Examples.Example, ReadonlyArray<string>>

const compile = (examples: ReadonlyArray<Examples.Example>, group: string): Failures => {
  const compiler = Repository.absolute("scripts/effect-tsc.mjs")
  const args = [compiler, "-p", configOf(group), "--pretty", "false"]
  const cwd = Repository.absolute(folder)
  const { status, stderr, stdout } = spawnSync(process.execPath, args, {
    cwd,
    encoding: "utf8",
    timeout: limitMillis
  })
  // A compiler that could not run has passed nothing; errors in packages are their own check.
  if (status === null || (status !== 0 && !/\): (?:error|warning) /u.test(stdout))) {
    throw new Error(`the compiler did not run: ${stdout}${stderr}`)
  }
  const all = Examples.diagnostics(stdout)
  return new Map(
    examples.map((example) => [
      example,
      all
        .filter(({ file }) => file === example.file)
        .map(({ line, message }) => `${Examples.place(example, line)}: ${message}`)
    ])
  )
}

const Result = Schema.fromJsonString(
  Schema.Struct({
    file: Schema.String,
    reached: Schema.Array(Schema.Int),
    error: Schema.optionalKey(Schema.String)
  })
)

const runAll = (files: ReadonlyArray<string>) => {
  const temporary = mkdtempSync(join(tmpdir(), "examples-"))
  const results = join(temporary, "results.jsonl")
  writeFileSync(results, "")
  const runner = Repository.absolute("apps/repo-checks/src/runner.ts")
  const paths = files.map((file) => Repository.absolute(`${folder}/${file}`))
  const args = ["--conditions=@queue-runtime/source", runner, results, ...paths]
  const { stderr } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: limitMillis })
  const lines = readFileSync(results, "utf8")
    .split("\n")
    .filter((line) => line !== "")
  rmSync(temporary, { recursive: true })
  const decoded = lines.map((line) => Schema.decodeSync(Result)(line))
  return { stderr, results: new Map(decoded.map((result) => [result.file, result])) }
}

/** One that never ends takes those behind it along. */
const unended = (
  examples: ReadonlyArray<Examples.Example>,
  example: Examples.Example,
  isDone: (example: Examples.Example) => boolean,
  stderr: string
): string => {
  const first = examples.find((one) => !isDone(one)) ?? example
  const place = Examples.place(example, 1)
  return first === example
    ? `${place}: did not end: ${stderr}`
    : `${place}: not run, since ${Examples.place(first, 1)} did not end`
}

/** An assertion in a function that nobody calls proves nothing. */
const unreached = (
  example: Examples.Example,
  reached: ReadonlyArray<number>
): ReadonlyArray<string> =>
  example.assertions
    .filter((line) => !reached.includes(line))
    .map((line) => `${Examples.place(example, line)}: this // => is never reached`)

const run = (examples: ReadonlyArray<Examples.Example>): Failures => {
  const { results, stderr } = runAll(examples.map(({ file }) => file))
  const isDone = ({ file }: Examples.Example) => results.has(file)
  return new Map(
    examples.map((example) => {
      const result = results.get(example.file)
      if (result === undefined) return [example, [unended(examples, example, isDone, stderr)]]
      if (result.error === undefined) return [example, unreached(example, result.reached)]
      const line = Examples.failingLine(example, result.error)
      return [example, [`${Examples.place(example, line)}: ${result.error}`]]
    })
  )
}

/**
 * Compiles all examples, and runs those that are to run. One that does not compile is not run.
 *
 * **Gotchas** All groups share one folder, where imports of the packages resolve: two runs at once
 * need two names.
 *
 * @category checking
 * @since 0.1.0
 */
export const check = (examples: ReadonlyArray<Examples.Example>, group: string): Failures => {
  if (examples.length === 0) return new Map()
  writeAll(examples, group)
  const compiled = compile(examples, group)
  const isClean = (example: Examples.Example) => compiled.get(example)?.length === 0
  const running = examples.filter((one) => one.fence.mode === "run" && isClean(one))
  const ran = run(running)
  return new Map(
    examples.map((example) => [
      example,
      [
        ...example.problems.map(({ line, message, path }) => `${path}:${line}: ${message}`),
        ...(compiled.get(example) ?? []),
        ...(ran.get(example) ?? [])
      ]
    ])
  )
}
