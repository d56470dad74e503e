/** A Service Bus in a process of its own, with the two queues of the comparison. */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

export interface Server {
  readonly connectionString: string
  readonly close: () => Promise<void>
}

export const plain = "bench-plain"

export const ordered = "bench-ordered"

export const body = Buffer.from("x".repeat(200))

const config = {
  UserConfig: {
    Namespaces: [
      {
        Queues: [
          { Name: plain, Properties: { LockDuration: "PT5M" } },
          { Name: ordered, Properties: { LockDuration: "PT5M", RequiresSession: true } }
        ]
      }
    ]
  }
}

const command = fileURLToPath(
  new URL("./main.ts", import.meta.resolve("@queue-runtime/servicebus-emulator"))
)

/** Starts it on a free port; what it prints is its connection string. */
export const start = async (): Promise<Server> => {
  const folder = mkdtempSync(join(tmpdir(), "bench-azure-"))
  const path = join(folder, "config.json")
  writeFileSync(path, JSON.stringify(config))
  const args = [...process.execArgv, command, "--config", path, "--port", "0"]
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith("Endpoint=")) continue
    return {
      connectionString: line,
      close: async () => {
        child.kill()
        await ended
        rmSync(folder, { recursive: true })
      }
    }
  }
  throw new Error("the Service Bus ended before it listened")
}
