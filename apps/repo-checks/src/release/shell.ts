/**
 * Commands of other programs, run one at a time.
 *
 * @since 0.1.0
 */
import { spawn } from "node:child_process"

/**
 * Where and how a command runs.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  readonly limitMillis?: number
}

/** An install from a cold cache over a slow line stays under it. */
const limitMillisDefault = 300_000

/** What npm tells its scripts would lead the package managers below it back to this repository. */
const cleanEnvironment = (): Record<string, string | undefined> =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(?:npm_|pnpm_|INIT_CWD$|NODE_OPTIONS$)/iu.test(name)
    )
  )

/**
 * Runs a command to its end and hands out its standard output.
 *
 * **Errors** One that fails, or takes too long, rejects with all that it said.
 *
 * @category running
 * @since 0.1.0
 */
export const run = (
  command: string,
  args: ReadonlyArray<string>,
  { cwd, env = {}, limitMillis = limitMillisDefault }: Options
): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...cleanEnvironment(), ...env },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: limitMillis
    })
    const out: Array<Buffer> = []
    const said: Array<Buffer> = []
    child.stdout.on("data", (chunk: Buffer) => {
      out.push(chunk)
      said.push(chunk)
    })
    child.stderr.on("data", (chunk: Buffer) => said.push(chunk))
    child.on("error", reject)
    child.on("close", (code, signal) => {
      if (code === 0) return resolve(Buffer.concat(out).toString())
      const line = [command, ...args].join(" ")
      reject(new Error(`${line} ended with ${signal ?? code}:\n${Buffer.concat(said).toString()}`))
    })
  })
