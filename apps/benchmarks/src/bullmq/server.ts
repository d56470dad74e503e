/** A Redis of its own, where the machine has one: `redis-server` is not installed for a figure. */
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"

export interface Server {
  readonly port: number
  readonly close: () => Promise<void>
}

const command = "redis-server"

export const isThere = (): boolean => spawnSync(command, ["--version"]).status === 0

/** Redis takes a port and does not choose one. */
const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  await once(server, "close")
  if (address === null || typeof address === "string") throw new Error("a server without a port")
  return address.port
}

/** Nothing is written to a disk: the emulators that it stands beside write nothing either. */
export const start = async (): Promise<Server> => {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), "bench-redis-"))
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
  const child = spawn(command, [...args, "--appendonly", "no"], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.includes("Ready to accept connections")) continue
    child.stdout.resume()
    return {
      port,
      close: async () => {
        child.kill()
        await ended
        rmSync(folder, { recursive: true })
      }
    }
  }
  throw new Error("Redis ended before it listened")
}
