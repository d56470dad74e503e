import { assert, describe, it } from "@effect/vitest"
import { DeadLetters, Message, QueueClient } from "@queue-runtime/core"
import { Effect, Redacted, Result } from "effect"
import * as Dashboard from "../src/dashboard/Dashboard.ts"
import * as Http from "../src/dashboard/Http.ts"
import {
  ask,
  asPage,
  mails,
  memory,
  open,
  putAside,
  signIn,
  token,
  until,
  worlds
} from "./DashboardWorld.ts"

const paths = [
  "/",
  "/main.js",
  "/uplot.js",
  "/api/overview",
  "/api/letters?queue=mails",
  "/nothing"
]

const host = (base: string) => new URL(base).host

const replayAll = { queue: "mails", selection: { _tag: "All" } }

const remaining = Effect.gen(function* () {
  const deadLetters = yield* DeadLetters.DeadLetters
  return (yield* deadLetters.count(mails)).count
})

describe("dashboard: who may ask", () => {
  it.live("without the cookie everything is 401", () =>
    Effect.gen(function* () {
      const { url } = yield* open()
      for (const path of paths) {
        const answer = yield* ask(url, path)
        assert.strictEqual(answer.status, 401, path)
        assert.notInclude(answer.text, token)
        assert.isUndefined(answer.headers["set-cookie"])
      }
      const stale = yield* ask(url, "/api/overview", {
        headers: { cookie: `queue-runtime-000000000000=${token}` }
      })
      assert.strictEqual(stale.status, 401)
      const posted = yield* ask(url, "/api/replay", {
        method: "POST",
        headers: { origin: url, "x-queue-runtime": "1" },
        body: JSON.stringify(replayAll)
      })
      assert.strictEqual(posted.status, 401)
    }).pipe(Effect.scoped, Effect.provide(memory))
  )

  it.live("the token is exchanged for a cookie that is not the token, by link and by form", () =>
    Effect.gen(function* () {
      const { link, url } = yield* open()
      assert.strictEqual(Redacted.value(link), `${url}/?token=${token}`)
      assert.notInclude(Redacted.isRedacted(link) ? JSON.stringify({ link }) : "", token)
      const answer = yield* ask(url, `/?token=${token}`)
      assert.strictEqual(answer.status, 303)
      assert.strictEqual(answer.headers.location, "/")
      const [cookie = ""] = answer.headers["set-cookie"] ?? []
      assert.match(cookie, /^queue-runtime-\w+=[\w-]{43}; HttpOnly; SameSite=Strict; Path=\/$/u)
      assert.notInclude(cookie, token)
      const form = { method: "POST", headers: { origin: url }, body: `token=${token}` }
      assert.strictEqual((yield* ask(url, "/session", form)).status, 303)
      const foreign = { ...form, headers: { origin: "http://evil.example" } }
      assert.strictEqual((yield* ask(url, "/session", foreign)).status, 403)
      const page = yield* ask(url, "/", { headers: { cookie: yield* signIn(url) } })
      assert.strictEqual(page.status, 200)
      assert.include(page.text, "<main")
    }).pipe(Effect.scoped, Effect.provide(memory))
  )

  it.live("a wrong token is 401 and gives no cookie", () =>
    Effect.gen(function* () {
      const { url } = yield* open()
      for (const wrong of ["", "wrong", `${token}x`, token.slice(1)]) {
        const answer = yield* ask(url, `/?token=${wrong}`)
        assert.strictEqual(answer.status, 401)
        assert.isUndefined(answer.headers["set-cookie"])
        const form = { method: "POST", headers: { origin: url }, body: `token=${wrong}` }
        assert.strictEqual((yield* ask(url, "/session", form)).status, 401)
      }
    }).pipe(Effect.scoped, Effect.provide(memory))
  )

  it.live("a foreign Host is 403, whatever else is right", () =>
    Effect.gen(function* () {
      const { url } = yield* open({ allowedHosts: ["queues.acme.example"] })
      const cookie = yield* signIn(url)
      const asked = (name: string) =>
        Effect.map(
          ask(url, "/api/overview", { headers: { cookie, host: name } }),
          ({ status }) => status
        )
      for (const name of ["evil.example", "127.0.0.1.evil.example", "a@b", "[::1", "10.0.0.1"]) {
        assert.strictEqual(yield* asked(name), 403, name)
      }
      for (const name of ["localhost:9000", "LOCALHOST", "[::1]:1", "queues.acme.example"]) {
        assert.strictEqual(yield* asked(name), 200, name)
      }
      const stolen = yield* ask(url, `/?token=${token}`, { headers: { host: "evil.example" } })
      assert.strictEqual(stolen.status, 403)
      assert.isUndefined(stolen.headers["set-cookie"])
    }).pipe(Effect.scoped, Effect.provide(memory))
  )

  it.live("a change needs this page's Origin and its header; nothing is changed without", () =>
    Effect.gen(function* () {
      const { url } = yield* open()
      yield* putAside(["Bad"])
      const cookie = yield* signIn(url)
      const guard = { "x-queue-runtime": "1" }
      const forged: ReadonlyArray<Readonly<Record<string, string>>> = [
        { ...guard },
        { ...guard, origin: "http://evil.example" },
        { ...guard, origin: "null" },
        { ...guard, origin: host(url) },
        { ...guard, origin: `http://${host(url)}.evil.example` },
        { ...guard, origin: "http://127.0.0.1:1" },
        { origin: url }
      ]
      for (const headers of forged) {
        for (const path of ["/api/replay", "/api/purge", "/api/cancel"]) {
          const answer = yield* ask(url, path, {
            method: "POST",
            headers: { cookie, ...headers },
            body: JSON.stringify({ ...replayAll, confirm: "mails", id: "replay-1" })
          })
          assert.strictEqual(answer.status, 403, JSON.stringify(headers))
        }
      }
      assert.strictEqual(yield* remaining, 1)
      const page = yield* asPage(url)
      assert.deepStrictEqual(yield* page.get("/api/jobs?queue=mails"), {
        status: 200,
        json: { jobs: [] }
      })
    }).pipe(Effect.scoped, Effect.provide(memory))
  )

  it.live("only GET and POST are answered, and POST only where it changes something", () =>
    Effect.gen(function* () {
      const { url } = yield* open()
      const headers = { cookie: yield* signIn(url), origin: url, "x-queue-runtime": "1" }
      for (const [method, path] of [
        ["PUT", "/api/replay"],
        ["DELETE", "/api/letters"],
        ["POST", "/api/overview"],
        ["POST", "/toString"]
      ] as const) {
        assert.strictEqual((yield* ask(url, path, { method, headers })).status, 405, path)
      }
      assert.strictEqual((yield* ask(url, "/toString", { headers })).status, 404)
      assert.strictEqual((yield* ask(url, "/../package.json", { headers })).status, 404)
      assert.strictEqual((yield* ask(url, "/", { method: "HEAD", headers })).status, 200)
    }).pipe(Effect.scoped, Effect.provide(memory))
  )

  it.live("every answer forbids frames, foreign code and guessing of types", () =>
    Effect.gen(function* () {
      const { url } = yield* open()
      const cookie = yield* signIn(url)
      for (const path of [...paths, "/style.css", "/icon.svg"]) {
        for (const headers of [{ cookie }, {}, { host: "evil.example" }]) {
          const answer = yield* ask(url, path, { headers })
          const policy = String(answer.headers["content-security-policy"])
          assert.include(policy, "default-src 'none'")
          assert.include(policy, "frame-ancestors 'none'")
          assert.notInclude(policy, "unsafe")
          assert.strictEqual(answer.headers["x-content-type-options"], "nosniff")
          assert.strictEqual(answer.headers["cache-control"], "no-store")
          assert.isUndefined(answer.headers["access-control-allow-origin"])
        }
      }
    }).pipe(Effect.scoped, Effect.provide(memory))
  )

  it.live("it listens on this machine alone unless a host is given", () =>
    Effect.gen(function* () {
      const { url } = yield* open()
      assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/u)
      const wide = yield* open({ host: "0.0.0.0" })
      assert.match(wide.url, /^http:\/\/localhost:\d+$/u)
      const { port } = new URL(wide.url)
      const base = `http://127.0.0.1:${port}`
      const asked = (name: string) =>
        Effect.map(ask(base, "/api/overview", { headers: { host: name } }), ({ status }) => status)
      assert.strictEqual(yield* asked(`10.1.2.3:${port}`), 401)
      assert.strictEqual(yield* asked("evil.example"), 403)
    }).pipe(Effect.scoped, Effect.provide(memory))
  )

  it.live("each start has a token of its own", () =>
    Effect.gen(function* () {
      const [one, two] = [
        yield* Dashboard.serve({ queues: [mails] }),
        yield* Dashboard.serve({ queues: [mails] })
      ]
      const tokens = [one, two].map(({ link }) =>
        new URL(Redacted.value(link)).searchParams.get("token")
      )
      assert.match(String(tokens[0]), /^[\w-]{43}$/u)
      assert.notStrictEqual(tokens[0], tokens[1])
    }).pipe(Effect.scoped, Effect.provide(memory))
  )

  it.live("R10.1 what cannot be served is said before it is", () =>
    Effect.gen(function* () {
      const { url } = yield* open()
      const refused = (options: Parameters<typeof open>[0]) =>
        Effect.map(Effect.result(open(options)), (result) =>
          Result.isFailure(result) ? result.failure.message : "it started"
        )
      assert.include(yield* refused({ queues: [] }), "queues: must name at least one")
      assert.include(
        yield* refused({ token: Redacted.make("short") }),
        "token: must have at least 16 characters"
      )
      assert.notInclude(yield* refused({ token: Redacted.make("short") }), "short")
      assert.include(yield* refused({ every: "1 millis" }), "every: must be")
      assert.include(yield* refused({ samplesMax: 1 }), "samplesMax: must be")
      assert.include(
        yield* refused({ port: Number(new URL(url).port) }),
        "cannot listen on 127.0.0.1"
      )
    }).pipe(Effect.scoped, Effect.provide(memory))
  )
})

describe("dashboard: what is asked", () => {
  it.live("R7.1 lists by page and by reason, shows one, and hands out its body to be saved", () =>
    Effect.gen(function* () {
      yield* putAside(["Bad", "Worse", "Bad"], { attributes: { region: "eu" } })
      const { url } = yield* open()
      const page = yield* asPage(url)
      const first = yield* page.get("/api/letters?queue=mails&size=2")
      assert.nestedPropertyVal(first, "json.letters.length", 2)
      assert.nestedPropertyVal(first, "json.isComplete", true)
      const { next } = Object(first.json)
      const rest = yield* page.get(
        `/api/letters?queue=mails&size=2&cursor=${encodeURIComponent(next)}`
      )
      assert.nestedPropertyVal(rest, "json.letters.length", 1)
      assert.notNestedProperty(rest, "json.next")
      const bad = yield* page.get("/api/letters?queue=mails&reason=Bad")
      assert.nestedPropertyVal(bad, "json.letters.length", 2)
      assert.nestedPropertyVal(bad, "json.letters[1].description", "no. 2")
      const { id, messageId } = Object(bad.json).letters[0]
      const one = yield* page.get(`/api/letter?queue=mails&id=${encodeURIComponent(id)}`)
      assert.nestedPropertyVal(one, "json.attributes.region", "eu")
      assert.nestedPropertyVal(one, "json.deliveryCount", 1)
      const text = Buffer.from(Object(one.json).body.base64, "base64").toString()
      assert.strictEqual(text, '{"index":0,"note":"<b>&amp;</b>"}')
      const body = yield* ask(url, `/api/letter/body?queue=mails&id=${encodeURIComponent(id)}`, {
        headers: { cookie: page.cookie }
      })
      assert.strictEqual(body.text, text)
      assert.strictEqual(body.headers["content-type"], "application/octet-stream")
      assert.strictEqual(
        body.headers["content-disposition"],
        `attachment; filename="${messageId}.bin"`
      )
      const gone = yield* page.get("/api/letter?queue=mails&id=nothing")
      assert.strictEqual(gone.status, 404)
    }).pipe(Effect.scoped, Effect.provide(memory))
  )

  it.live.each(worlds)("R7.1 windows that list at once over %s all see everything", ([, world]) =>
    Effect.gen(function* () {
      yield* putAside(["a", "b", "c"])
      const { url } = yield* open()
      const page = yield* asPage(url)
      const asked = ["letters", "trend", "letters", "letters"].map((what) =>
        page.get(`/api/${what}?queue=mails`)
      )
      for (const { json } of yield* Effect.all(asked, { concurrency: "unbounded" })) {
        const { isComplete, letters, total } = Object(json)
        assert.strictEqual(letters?.length ?? total, 3)
        assert.isTrue(isComplete)
      }
    }).pipe(Effect.scoped, Effect.provide(world))
  )

  it.live("R7.1 replays by reason, and what is chosen; the attributes may change", () =>
    Effect.gen(function* () {
      yield* putAside(["Bad", "Worse", "Bad"], { attributes: { region: "eu", kind: "x" } })
      const client = yield* QueueClient.QueueClient
      const { url } = yield* open()
      const page = yield* asPage(url)
      const dry = yield* page.post("/api/replay", { ...replayAll, dryRun: true })
      assert.strictEqual(dry.status, 202)
      const ended = until(page.get("/api/jobs?queue=mails"), ({ json }) =>
        Object(json).jobs.every((job: { readonly state: string }) => job.state !== "running")
      )
      assert.nestedPropertyVal(yield* ended, "json.jobs[0].done", 3)
      assert.strictEqual(yield* remaining, 3)
      yield* page.post("/api/replay", {
        queue: "mails",
        selection: { _tag: "Reason", reason: "Bad" },
        attributes: { region: "us", kind: null }
      })
      assert.nestedPropertyVal(yield* ended, "json.jobs[0].state", "done")
      assert.strictEqual(yield* remaining, 1)
      const received = yield* client.receive(mails, { max: 10 })
      assert.deepStrictEqual(
        received.map(({ attributes }) => attributes),
        [{ region: "us" }, { region: "us" }]
      )
      const [left] = Object((yield* page.get("/api/letters?queue=mails")).json).letters
      yield* page.post("/api/replay", {
        queue: "mails",
        selection: { _tag: "Ids", ids: [left.id] }
      })
      yield* ended
      assert.strictEqual(yield* remaining, 0)
    }).pipe(Effect.scoped, Effect.provide(memory))
  )

  it.live("R7.1 a purge that does not name the queue again is refused, and removes nothing", () =>
    Effect.gen(function* () {
      yield* putAside(["Bad", "Worse"])
      const { url } = yield* open()
      const page = yield* asPage(url)
      for (const confirm of ["", "orders", "MAILS", "yes"]) {
        const refused = yield* page.post("/api/purge", { ...replayAll, confirm })
        assert.strictEqual(refused.status, 409)
        assert.nestedPropertyVal(refused, "json.error.reason", "NotConfirmed")
      }
      assert.strictEqual((yield* page.post("/api/purge", replayAll)).status, 400)
      assert.strictEqual(yield* remaining, 2)
      const purge = {
        queue: "mails",
        selection: { _tag: "Reason", reason: "Bad" },
        confirm: "mails"
      }
      assert.strictEqual((yield* page.post("/api/purge", purge)).status, 202)
      yield* until(remaining, (count) => count === 1)
    }).pipe(Effect.scoped, Effect.provide(memory))
  )

  it.live("one job works on a queue at a time, and can be stopped", () =>
    Effect.gen(function* () {
      yield* putAside(["a", "b", "c"])
      const { url } = yield* open()
      const page = yield* asPage(url)
      const slow = yield* page.post("/api/replay", { ...replayAll, rate: 0.01 })
      assert.strictEqual(slow.status, 202)
      const busy = yield* page.post("/api/replay", replayAll)
      assert.strictEqual(busy.status, 409)
      assert.nestedPropertyVal(busy, "json.error.reason", "Busy")
      const { id } = Object(slow.json).job
      const stopped = yield* page.post("/api/cancel", { id })
      assert.nestedPropertyVal(stopped, "json.job.state", "cancelled")
      assert.isAtLeast(yield* remaining, 2)
      assert.strictEqual((yield* page.post("/api/cancel", { id: "none" })).status, 404)
    }).pipe(Effect.scoped, Effect.provide(memory))
  )

  it.live("a dashboard that may only read changes nothing", () =>
    Effect.gen(function* () {
      yield* putAside(["Bad"])
      const { url } = yield* open({ readOnly: true })
      const page = yield* asPage(url)
      for (const path of ["/api/replay", "/api/purge", "/api/cancel"]) {
        const refused = yield* page.post(path, { ...replayAll, confirm: "mails", id: "replay-1" })
        assert.strictEqual(refused.status, 403)
        assert.nestedPropertyVal(refused, "json.error.reason", "ReadOnly")
      }
      assert.strictEqual(yield* remaining, 1)
      assert.nestedPropertyVal(yield* page.get("/api/overview"), "json.isReadOnly", true)
    }).pipe(Effect.scoped, Effect.provide(memory))
  )

  it.live("what is no request is told, in words", () =>
    Effect.gen(function* () {
      const { url } = yield* open()
      const page = yield* asPage(url)
      const status = (path: string) => Effect.map(page.get(path), (answer) => answer.status)
      assert.strictEqual(yield* status("/api/letters"), 404)
      assert.strictEqual(yield* status("/api/letters?queue=others"), 404)
      assert.strictEqual(yield* status("/api/letters?queue=mails&size=0"), 400)
      assert.strictEqual(yield* status("/api/letters?queue=mails&size=201"), 400)
      assert.strictEqual(yield* status("/api/series?queue=mails&after=soon"), 400)
      assert.strictEqual((yield* page.post("/api/replay", "{")).status, 400)
      assert.strictEqual((yield* page.post("/api/replay", { queue: "mails" })).status, 400)
      const none = { queue: "mails", selection: { _tag: "Ids", ids: [] } }
      assert.strictEqual((yield* page.post("/api/replay", none)).status, 400)
      const large = "x".repeat(Http.bodyBytesMax + 1)
      assert.strictEqual((yield* page.post("/api/replay", large)).status, 413)
    }).pipe(Effect.scoped, Effect.provide(memory))
  )

  it.live("R9.1 the figures follow the queue, newest first in the overview", () =>
    Effect.gen(function* () {
      yield* putAside(["Bad", "Bad"])
      const { url } = yield* open()
      const page = yield* asPage(url)
      const overview = yield* until(page.get("/api/overview"), ({ json }) =>
        Object(json).queues.every(
          (queue: { readonly latest?: unknown }) => queue.latest !== undefined
        )
      )
      assert.nestedPropertyVal(overview, "json.provider", "memory")
      assert.nestedPropertyVal(overview, "json.queues[0].latest.figures.deadLetters.value", 2)
      assert.nestedPropertyVal(overview, "json.queues[1].isOrdered", true)
      const trend = yield* page.get("/api/trend?queue=mails")
      assert.nestedPropertyVal(trend, "json.total", 2)
      assert.nestedPropertyVal(trend, "json.series[0].reason", "Bad")
      const client = yield* QueueClient.QueueClient
      yield* client.send(mails, yield* Message.text("one more"))
      yield* until(
        page.get("/api/series?queue=mails"),
        ({ json }) => Object(json).samples.at(-1)?.figures.messages.value === 1
      )
    }).pipe(Effect.scoped, Effect.provide(memory))
  )
})
