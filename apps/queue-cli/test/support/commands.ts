/** Every command that works on a queue, once through pipes and once at a terminal. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import {
  atTerminal,
  ctrlC,
  isColoured,
  lines,
  plain,
  run,
  runAtTerminal,
  type Where
} from "./processes.ts"

export interface World extends Where {
  /** Said with every command. */
  readonly flags: ReadonlyArray<string>
  /** Whether the service shows messages without receiving them. */
  readonly canPeek: boolean
  /** Whether each process is the only one: nothing lives while none runs. */
  readonly remedyOfMissing: RegExp
}

const orders = ["-q", "orders"]
const events = ["-q", "events", "--ordered"]

/** Queues of its own for the terminal, so that one test does not spoil the other. */
const invoices = ["-q", "invoices"]
const updates = ["-q", "updates", "--ordered"]

/** What a world has. */
export const queues = { plain: ["orders", "invoices"], ordered: ["events", "updates"] } as const

/** Where nothing can be looked at, looking is receiving and giving back. */
const looking = ({ canPeek }: World): ReadonlyArray<string> => (canPeek ? [] : ["--receive"])

const texts = (found: ReadonlyArray<Record<string, unknown>>) => found.map(({ body }) => body)

const countOf = (figure: unknown) => Predicate.hasProperty(figure, "value") && figure.value

const piped = (world: World) => {
  const call = (args: ReadonlyArray<string>, input?: string) =>
    run(world, [...args, ...world.flags], input)
  const expect = Effect.fnUntraced(function* (
    code: number,
    args: ReadonlyArray<string>,
    input?: string
  ) {
    const ended = yield* call(args, input)
    assert.strictEqual(ended.code, code, `${args.join(" ")}\n${ended.output}${ended.error}`)
    return { ...ended, lines: lines(ended) }
  })

  return Effect.gen(function* () {
    const send = ["send", ...orders, "hello", "--id", "m-1", "-a", "team=blue"]
    const [sent] = (yield* expect(0, send)).lines
    assert.strictEqual(sent?.["messageId"], "m-1")
    const many = ["one", "two"].map((body) => JSON.stringify({ body, attributes: { n: body } }))
    const sentMany = yield* expect(0, ["send", ...orders, "--ndjson", "-"], many.join("\n"))
    assert.lengthOf(sentMany.lines, 2)

    const peeked = yield* expect(0, ["peek", ...orders, ...looking(world)])
    assert.sameMembers(texts(peeked.lines), ["hello", "one", "two"])
    const hello = peeked.lines.find(({ messageId }) => messageId === "m-1")
    assert.deepStrictEqual(hello?.["attributes"], { team: "blue" })

    const [stats] = (yield* expect(0, ["stats", ...orders])).lines
    assert.deepStrictEqual([stats?.["queue"], countOf(stats?.["messages"])], ["orders", 3])
    const watch = ["watch", ...orders, "--count", "2", "--interval", "100ms"]
    assert.lengthOf((yield* expect(0, watch)).lines, 2)

    const received = yield* expect(0, ["receive", ...orders, "-n", "3"])
    assert.sameMembers(texts(received.lines), ["hello", "one", "two"])
    const aside = ["receive", ...orders, "-n", "3", "--then", "dead-letter", "--reason", "Poison"]
    assert.lengthOf((yield* expect(0, aside)).lines, 3)

    const letters = (yield* expect(0, ["dlq", "list", ...orders])).lines
    assert.sameMembers(texts(letters), ["hello", "one", "two"])
    const letter = letters.find(({ messageId }) => messageId === "m-1")
    assert.strictEqual(letter?.["reason"], "Poison")
    const id = String(letter?.["id"])
    const [shown] = (yield* expect(0, ["dlq", "show", ...orders, id])).lines
    assert.deepStrictEqual([shown?.["body"], shown?.["source"]], ["hello", "orders"])
    yield* expect(3, ["dlq", "show", ...orders, "nobody"])
    const unknown = yield* expect(3, ["dlq", "replay", ...orders, "nobody"])
    assert.match(unknown.error, /no dead letter "nobody" of orders[^]*dlq list/u)
    const other = yield* expect(4, ["dlq", "list", ...orders, "--reason", "Other"])
    assert.match(other.error, /no dead letter of orders with the reason Other\n[^]*dlq stats/u)
    const [sums] = (yield* expect(0, ["dlq", "stats", ...orders])).lines
    assert.deepStrictEqual([sums?.["count"], sums?.["byReason"]], [3, { Poison: 3 }])

    const file = join(world.cwd, "piped.ndjson")
    yield* expect(0, ["dlq", "export", ...orders, file])
    assert.lengthOf(readFileSync(file, "utf8").trim().split("\n"), 3)

    const dry = (yield* expect(0, ["dlq", "replay", ...orders, "--all", "--dry-run"])).lines
    assert.deepStrictEqual(
      dry.map(({ done, dryRun, outcome }) => [dryRun, outcome ?? done]),
      [...letters.map(() => [true, "done"]), [true, 3]]
    )
    const replay = ["dlq", "replay", ...orders, id, "--set", "again=yes", "--unset", "team"]
    assert.strictEqual((yield* expect(0, replay)).lines.at(-1)?.["done"], 1)
    yield* expect(6, ["receive", ...orders, "--then", "complete"])
    const [again] = (yield* expect(0, ["receive", ...orders, "--then", "complete", "--yes"])).lines
    assert.deepStrictEqual(
      [again?.["messageId"], again?.["body"], again?.["attributes"]],
      ["m-1", "hello", { again: "yes" }]
    )

    yield* expect(6, ["dlq", "purge", ...orders, "--all"])
    const purged = yield* expect(0, ["dlq", "purge", ...orders, "--reason", "Poison", "--yes"])
    assert.strictEqual(purged.lines.at(-1)?.["done"], 2)
    yield* expect(4, ["dlq", "list", ...orders])
    const imported = yield* expect(0, ["dlq", "import", ...orders, file])
    assert.strictEqual(imported.lines.at(-1)?.["done"], 3)
    const taken = ["receive", ...orders, "-n", "9", "--wait", "2s", "--then", "complete", "-y"]
    assert.sameMembers(texts((yield* expect(0, taken)).lines), ["hello", "one", "two"])

    for (const body of ["a1", "a2"]) yield* expect(0, ["send", ...events, "-s", "a", body])
    const sessions = (yield* expect(0, ["sessions", "list", ...events, ...looking(world)])).lines
    assert.deepStrictEqual(
      sessions.map(({ messages, sessionId }) => [sessionId, messages]),
      [["a", 2]]
    )
    const ofSession = ["receive", ...events, "-s", "a", "--then", "complete", "--yes"]
    assert.deepStrictEqual(texts((yield* expect(0, ofSession)).lines), ["a1", "a2"])

    const [health] = (yield* expect(0, ["health", ...orders])).lines
    assert.deepStrictEqual([health?.["queue"], health?.["status"]], ["orders", "up"])
    const healthy = yield* expect(0, ["doctor", ...orders])
    assert.isEmpty(healthy.lines.filter(({ level }) => level !== "ok"))
    const missing = yield* expect(5, ["doctor", "-q", "nowhere"])
    const problem = missing.lines.find(({ level }) => level === "problem")
    assert.match(String(problem?.["message"]), /does not exist/u)
    assert.match(String(problem?.["remedy"]), world.remedyOfMissing)
    yield* expect(3, ["send", "-q", "nowhere", "hello"])
  })
}

const atTty = (world: World) => {
  const expect = Effect.fnUntraced(function* (
    code: number,
    args: ReadonlyArray<string>,
    answer?: string
  ) {
    const ended = yield* runAtTerminal(world, [...args, ...world.flags], answer)
    assert.strictEqual(ended.code, code, `${args.join(" ")}\n${ended.text}`)
    return { ...ended, plain: plain(ended.text) }
  })

  return Effect.gen(function* () {
    const sent = yield* expect(0, ["send", ...invoices, "hello", "--id", "t-1"])
    assert.match(sent.plain, /sent t-1 to invoices/u)
    assert.isTrue(isColoured(sent.text))
    const peeked = yield* expect(0, ["peek", ...invoices, ...looking(world)])
    assert.match(peeked.plain, /NUMBER +MESSAGE +SESSION[^]*t-1[^]*hello/u)
    assert.match((yield* expect(0, ["stats", ...invoices])).plain, /QUEUE[^]*invoices/u)

    yield* Effect.scoped(
      Effect.gen(function* () {
        const args = ["watch", ...invoices, "--interval", "100ms", ...world.flags]
        const terminal = yield* atTerminal(world, args)
        yield* terminal.shows(/CHANGE\/S[^]*CHANGE\/S/u)
        yield* terminal.type(ctrlC)
        assert.strictEqual((yield* terminal.ended).code, 130)
      })
    )

    assert.match((yield* expect(0, ["receive", ...invoices])).plain, /t-1[^]*hello/u)
    const kept = yield* expect(6, ["receive", ...invoices, "--then", "complete"], "n")
    assert.match(kept.plain, /Nothing was done/u)
    yield* expect(0, ["receive", ...invoices, "--then", "dead-letter"])

    const listed = yield* expect(0, ["dlq", "list", ...invoices])
    const [id] = /[0-9a-f]{32}/u.exec(listed.plain) ?? []
    assert(id !== undefined, listed.plain)
    const shown = yield* expect(0, ["dlq", "show", ...invoices, id])
    assert.match(shown.plain, /reason +Operator[^]*hello/u)
    const sums = yield* expect(0, ["dlq", "stats", ...invoices])
    assert.match(sums.plain, /1 dead letter of invoices[^]*Operator +1[^]*█/u)
    const file = join(world.cwd, "typed.ndjson")
    assert.match((yield* expect(0, ["dlq", "export", ...invoices, file])).plain, /exported 1/u)
    assert.match((yield* expect(0, ["dlq", "export", ...invoices, file], "y")).plain, /exported 1/u)
    const dry = yield* expect(0, ["dlq", "replay", ...invoices, "--all", "--dry-run"])
    assert.match(dry.plain, /would replay 1/u)

    assert.match((yield* expect(0, ["dlq", "replay", ...invoices, "--all"])).plain, /replayed 1/u)
    yield* expect(0, ["receive", ...invoices, "--then", "dead-letter", "--wait", "2s"])
    const purged = yield* expect(0, ["dlq", "purge", ...invoices, "--all"], "y")
    assert.match(purged.plain, /removed 1/u)
    const nothing = yield* expect(4, ["dlq", "list", ...invoices])
    assert.match(nothing.plain, /nothing there: no dead letter of invoices/u)
    const imported = yield* expect(0, ["dlq", "import", ...invoices, file])
    assert.match(imported.plain, /imported 1 into invoices/u)
    yield* expect(0, ["receive", ...invoices, "--then", "complete", "--wait", "2s"], "y")

    yield* expect(0, ["send", ...updates, "-s", "b", "b1"])
    const sessions = yield* expect(0, ["sessions", "list", ...updates, ...looking(world)])
    assert.match(sessions.plain, /SESSION +MESSAGES[^]*b +1/u)
    yield* expect(0, ["receive", ...updates, "--then", "complete"], "y")

    assert.match((yield* expect(0, ["health", ...invoices])).plain, /invoices +up/u)
    assert.match((yield* expect(0, ["doctor", ...invoices])).plain, /✓ queue invoices/u)
    const missing = yield* expect(5, ["doctor", "-q", "nowhere"])
    assert.match(missing.plain, /✗ queue nowhere[^]*→ /u)
  })
}

/** How the tool is driven. */
export type Way = "pipes" | "terminal"

/** Both ways through a world, side by side: each has queues of its own. */
export const suite = (name: string, world: (way: Way) => World): void => {
  describe.concurrent(`every command on ${name}`, () => {
    const limit = 240_000
    it.live(
      "R7.1 R10.2 through pipes, with JSON",
      () => Effect.suspend(() => piped(world("pipes"))),
      limit
    )
    it.live(
      "R7.1 R10.2 at a terminal, with tables",
      () => Effect.suspend(() => atTty(world("terminal"))),
      limit
    )
  })
}
