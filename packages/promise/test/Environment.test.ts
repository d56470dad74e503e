import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const program = `
import { MemoryProvider } from "@queue-runtime/provider-memory"
import { Queues } from "@queue-runtime/promise"

const options = {
  provider: MemoryProvider.layer({ queues: { orders: {} } }),
  logLevel: "None"
}
const opened = (more) =>
  Queues.open({ ...options, ...more }).then(
    async (queues) => {
      await queues.close()
      return "opened"
    },
    ({ message }) => message
  )
console.log(JSON.stringify([await opened({}), await opened({ wait: 0 })]))
`

/** Reads the environment of a process of its own: it is read once a process, with the first stack. */
const openedWith = async (wait: string): Promise<unknown> => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--conditions=@queue-runtime/source", "--input-type=module", "--eval", program],
    {
      cwd: fileURLToPath(new URL("..", import.meta.url)),
      env: { ...process.env, QUEUE_RECEIVE_TIMEOUT_SECONDS: wait }
    }
  )
  return JSON.parse(stdout)
}

describe("Queues.open", () => {
  it("R10.9 goes by the environment's time to wait, where the options do not say one", async () => {
    assert.deepStrictEqual(await openedWith("5"), ["opened", "opened"])
    assert.deepStrictEqual(await openedWith("soon"), [
      "ConfigurationInvalid: QUEUE_RECEIVE_TIMEOUT_SECONDS: must be a whole number from 0 to 86400",
      "opened"
    ])
  }, 30_000)
})
