import * as Net from "node:net"
import * as Effect from "effect/Effect"

/** A server between the client and the service, which can fall silent without closing anything. */
export const middle = Effect.fnUntraced(function* (host: string, port: number) {
  const ways: Array<{ readonly one: Net.Socket; readonly other: Net.Socket }> = []
  const server = yield* Effect.acquireRelease(
    Effect.callback<Net.Server>((resume) => {
      const made = Net.createServer((near) => {
        const far = Net.connect(port, host)
        const both = [
          { one: near, other: far },
          { one: far, other: near }
        ]
        ways.push(...both)
        for (const { one, other } of both) {
          one.on("error", () => other.destroy())
          one.pipe(other)
        }
      })
      made.listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
    }),
    (made) =>
      Effect.callback<void>((resume) => {
        for (const { one } of ways) one.destroy()
        made.close(() => resume(Effect.void))
      })
  )
  const at = server.address()
  return {
    port: at !== null && typeof at === "object" ? at.port : 0,
    fallSilent: Effect.sync(() => {
      for (const { one, other } of ways) one.unpipe(other).pause()
    }),
    speak: Effect.sync(() => {
      for (const { one, other } of ways) one.pipe(other)
    })
  }
})
