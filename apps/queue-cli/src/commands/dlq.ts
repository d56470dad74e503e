/** `dlq …`: dead letters, listed, shown, replayed, removed, taken out and put back. */
import {
  Capabilities,
  DeadLetters,
  QueueAddress,
  QueueClient,
  type QueueError,
  type QueueName
} from "@queue-runtime/core"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { existsSync } from "node:fs"
import * as Confirm from "../Confirm.ts"
import * as Failure from "../Failure.ts"
import * as Files from "../Files.ts"
import * as MessageView from "../MessageView.ts"
import * as Output from "../Output.ts"
import * as Progress from "../Progress.ts"
import * as Table from "../Table.ts"

type Failing = QueueError.QueueError | Failure.Failure

type Needs = DeadLetters.DeadLetters | Output.Output | QueueClient.QueueClient

/** None there, or none of those that are meant. */
const nothing = (queue: QueueName.QueueName, which = "", hint?: string) =>
  new Failure.Failure({
    code: "nothing",
    message: `no dead letter of ${queue}${which}`,
    ...(hint === undefined ? {} : { hint })
  })

const withReason = (reason: string | undefined): string =>
  reason === undefined ? "" : ` with the reason ${Table.printable(reason)}`

const idsShown = "queue-runtime dlq list shows their ids"

const reasonsShown = "queue-runtime dlq stats shows the reasons that there are"

const hintFor = (reason: string | undefined): string | undefined =>
  reason === undefined ? undefined : reasonsShown

const quotedIds = (ids: ReadonlyArray<string>): string => {
  const [first = "", ...more] = ids
  const others = more.length === 0 ? "" : `, nor ${more.length} more that you named,`
  return `"${Table.printable(first)}"${others}`
}

const unknown = (queue: QueueName.QueueName, ids: ReadonlyArray<string>) =>
  new Failure.Failure({
    code: "notFound",
    message: `no dead letter ${quotedIds(ids)} of ${queue}`,
    hint: idsShown
  })

/** Looks again, and how long between. */
const looks = { times: 2, pause: "1 second" } as const

const isMissing = (error: Failing): error is Failure.Failure =>
  error._tag === "Failure" && (error.code === "nothing" || error.code === "notFound")

/** How many a listing may have missed, where it receives and the service tells. */
const countOf = (queue: QueueName.QueueName) =>
  QueueClient.QueueClient.use((client) =>
    // What is looked at is there or not.
    Capabilities.isSupported(client.capabilities(queue).peek)
      ? Effect.succeed(0)
      : client
          .depth(QueueAddress.deadLetter(queue))
          .pipe(Effect.map(Option.match({ onNone: () => 0, onSome: ({ available }) => available })))
  ).pipe(Effect.catch(() => Effect.succeed(0)))

/**
 * A listing that receives sees none where the service is slow to answer, or another listing has them for
 * a moment. Where the service counts some it is worth a second look.
 */
const patiently = <A, R>(
  queue: QueueName.QueueName,
  look: Effect.Effect<A, Failing, R>,
  left: number = looks.times
): Effect.Effect<A, Failing, QueueClient.QueueClient | R> =>
  Effect.catchIf(look, isMissing, (missing) =>
    Effect.flatMap(countOf(queue), (count) => {
      if (count === 0) return Effect.fail(missing)
      if (left > 0) return Effect.delay(patiently(queue, look, left - 1), looks.pause)
      const hint = `the service counts ${count}: others may have them in hand, so try again`
      const { code, message } = missing
      return Effect.fail(new Failure.Failure({ code, message, hint: missing.hint ?? hint }))
    })
  )

/** Which letters are meant. */
export interface Selected {
  readonly ids: ReadonlyArray<string>
  readonly all: boolean
  readonly reason: string | undefined
}

const selection = ({ all, ids, reason }: Selected) => {
  const given = [all, ids.length > 0, reason !== undefined].filter((one) => one)
  if (given.length !== 1) {
    return Effect.fail(
      Failure.usage("which dead letters?", "give ids, or --reason REASON, or --all: one of them")
    )
  }
  if (all) return Effect.succeed(DeadLetters.all)
  return Effect.succeed(
    reason === undefined
      ? DeadLetters.ids(ids)
      : DeadLetters.where((letter) => letter.reason === reason)
  )
}

const describe = ({ all, ids, reason }: Selected, queue: QueueName.QueueName): string => {
  if (all) return `all dead letters of ${queue}`
  return reason === undefined
    ? `${ids.length} dead ${ids.length === 1 ? "letter" : "letters"} of ${queue}`
    : `the dead letters of ${queue} with the reason ${reason}`
}

const { letterColumns, letterToJson, letterToRow } = MessageView

const onlyWith = (reason: string | undefined) =>
  reason === undefined
    ? {}
    : { filter: (letter: DeadLetters.DeadLetter) => letter.reason === reason }

/** Lists. */
export const list = Effect.fnUntraced(function* (
  queue: QueueName.QueueName,
  input: { readonly max: number; readonly reason: string | undefined }
): Effect.fn.Return<void, Failing, Needs> {
  const output = yield* Output.Output
  const letters = yield* DeadLetters.DeadLetters
  const found = letters.list(queue, { max: input.max, ...onlyWith(input.reason) })
  const some = Effect.filterOrFail(
    Stream.runCollect(found),
    (rows) => rows.length > 0,
    () => nothing(queue, withReason(input.reason), hintFor(input.reason))
  )
  const rows = yield* patiently(queue, some)
  yield* output.rows(rows, letterToJson, letterColumns(output.style), letterToRow)
})

/** Shows one. */
export const show = Effect.fnUntraced(function* (
  queue: QueueName.QueueName,
  id: string
): Effect.fn.Return<void, Failing, Needs> {
  const output = yield* Output.Output
  const letters = yield* DeadLetters.DeadLetters
  const one = Effect.flatMap(
    letters.get(queue, id),
    Option.match({ onNone: () => Effect.fail(unknown(queue, [id])), onSome: Effect.succeed })
  )
  const json = letterToJson(yield* patiently(queue, one))
  yield* output.result(json, () => MessageView.toPage(json, output.style))
})

interface Work {
  readonly label: string
  /** What was done, of the count. */
  readonly done: string
  readonly queue: QueueName.QueueName
  /** Whether each letter is told of: nothing is done to it. */
  readonly isDry: boolean
}

/** How work ended. */
interface Followed extends DeadLetters.Progress {
  /** Letters that it came to, whatever became of them. */
  readonly seen: ReadonlySet<string>
}

/** In the JSON of what was only looked at, "done" must not look like it was. */
const dryness = ({ isDry }: Work) => (isDry ? { dryRun: true } : {})

const itemToJson = ({ error, ...item }: DeadLetters.Item) => ({
  ...item,
  ...(error === undefined ? {} : { error: error.message })
})

/** Letters that failed alike. */
interface Alike {
  /** What became of them, and the first one's error. */
  readonly what: string
  readonly ids: Array<string>
  count: number
}

/** Ids that a line names. */
const idsNamed = 3

/** By outcome and reason, of which there are a few: a letter each would be a screen of the same. */
const add = (
  failures: Map<string, Alike>,
  { error, id, outcome, reason }: DeadLetters.Item
): void => {
  const key = `${outcome} ${error?.reason._tag ?? reason}`
  const what = `${outcome}: ${error?.message ?? reason}`
  const alike = failures.get(key) ?? { what, ids: [], count: 0 }
  alike.count++
  if (alike.ids.length < idsNamed) alike.ids.push(id)
  failures.set(key, alike)
}

const toLine = ({ count, ids, what }: Alike): string => {
  const others = count > ids.length ? ` and ${count - ids.length} more` : ""
  return `${count} ${Table.printable(what)} (${ids.map(Table.printable).join(", ")}${others})`
}

/** Runs work with a bar, tells what failed, and says how it ended. */
const follow = Effect.fnUntraced(function* <E extends Failing>(
  work: Work,
  progress: Stream.Stream<DeadLetters.Progress, E>,
  wanted: ReadonlyArray<string> = []
) {
  const output = yield* Output.Output
  const bar = yield* Progress.make(work.label)
  const names = new Set(wanted)
  const seen = new Set<string>()
  const failures = new Map<string, Alike>()
  const telling = Effect.suspend(() =>
    Effect.forEach(failures.values(), (alike) => output.say(toLine(alike)), { discard: true })
  )
  let last: DeadLetters.Progress = { done: 0, failed: 0, failures: {} }
  const following = Stream.runForEach(progress, (next) =>
    Effect.gen(function* () {
      last = next
      const { done, failed, total } = next
      yield* bar({ done, failed, ...(total === undefined ? {} : { total }) })
      const item = next.last
      if (item === undefined) return
      // No more than were named: all the dead letters of a queue may be many.
      if (names.has(item.id)) seen.add(item.id)
      if (output.isJson && (work.isDry || item.outcome !== "done")) {
        yield* output.json({ ...itemToJson(item), ...dryness(work) })
      } else if (item.outcome !== "done") add(failures, item)
      else if (work.isDry) yield* output.print(`${item.id}  ${Table.printable(item.reason)}`)
    })
  )
  // Ctrl-C and a connection that is lost leave something to tell too.
  yield* Effect.ensuring(following, telling)
  const followed: Followed = { ...last, seen }
  return followed
}, Effect.scoped)

/** The same, and no letter at all is a failure. */
const followSome = (
  work: Work,
  { ids, reason }: Selected,
  progress: Stream.Stream<DeadLetters.Progress, Failing>,
  which = withReason(reason)
) =>
  Effect.filterOrFail(
    follow(work, progress, ids),
    ({ done, failed }) => done + failed > 0,
    () =>
      ids.length > 0 && which === ""
        ? unknown(work.queue, ids)
        : nothing(work.queue, which, hintFor(reason))
  )

const outOfReach =
  "these may not be all: others may have some in hand, or one that stayed may hide those behind it; " +
  "`dlq list` shows what is there, so try again"

const conclude = Effect.fnUntraced(function* (
  work: Work,
  ids: ReadonlyArray<string>,
  { complete, done, failed, failures, seen }: Followed
) {
  const output = yield* Output.Output
  const result = { done, failed, failures, complete, ...dryness(work) }
  yield* output.result(result, () => `${work.done} ${done}`)
  if (complete === false) yield* output.say(outOfReach)
  if (failed === 0) {
    const missing = ids.filter((id) => !seen.has(id))
    if (missing.length === 0) return
    const { hint, message } = unknown(work.queue, missing)
    return yield* new Failure.Failure({
      code: "partly",
      message: `${message}; the others are done`,
      ...(hint === undefined ? {} : { hint })
    })
  }
  const reasons = Object.entries(failures).map(([reason, count]) => `${count} × ${reason}`)
  return yield* new Failure.Failure({
    code: "partly",
    message: `${failed} of ${done + failed} failed (${reasons.join(", ")}) and stay dead letters`
  })
})

/** What a replay was asked for. */
export interface ReplayInput extends Selected {
  readonly set: Readonly<Record<string, string>>
  readonly unset: ReadonlyArray<string>
  readonly rate: number | undefined
  readonly dryRun: boolean
  readonly keepCount: boolean
  readonly to: QueueName.QueueName | undefined
}

const changesOf = ({ set, unset }: Pick<ReplayInput, "set" | "unset">) => {
  const changes: Record<string, string | undefined> = { ...set }
  for (const name of unset) changes[name] = undefined
  return Object.keys(changes).length === 0 ? {} : { edit: DeadLetters.editAttributes(changes) }
}

/** Replays. */
export const replay = Effect.fnUntraced(function* (
  queue: QueueName.QueueName,
  input: ReplayInput
): Effect.fn.Return<void, Failing, Needs> {
  const letters = yield* DeadLetters.DeadLetters
  const { dryRun, keepCount, rate, to } = input
  const work: Work = {
    label: dryRun ? "looking" : "replaying",
    done: dryRun ? "would replay" : "replayed",
    queue,
    isDry: dryRun
  }
  const progress = letters.replay(queue, yield* selection(input), {
    ...changesOf(input),
    ...(rate === undefined ? {} : { rate }),
    ...(to === undefined ? {} : { to }),
    dryRun,
    restartDeliveryCount: !keepCount
  })
  yield* conclude(work, input.ids, yield* patiently(queue, followSome(work, input, progress)))
})

/** What a purge was asked for. */
export interface PurgeInput extends Selected {
  readonly olderThan: Duration.Duration | undefined
  readonly dryRun: boolean
  readonly yes: boolean
}

/** Removes for good. */
export const purge = Effect.fnUntraced(function* (queue: QueueName.QueueName, input: PurgeInput) {
  const letters = yield* DeadLetters.DeadLetters
  const { dryRun, olderThan, yes } = input
  const selected = yield* selection(input)
  const old = olderThan === undefined ? "" : " put aside long enough ago"
  yield* Confirm.confirm(`Remove ${describe(input, queue)}${old} for good?`, {
    yes: yes || dryRun
  })
  const work: Work = {
    label: dryRun ? "looking" : "removing",
    done: dryRun ? "would remove" : "removed",
    queue,
    isDry: dryRun
  }
  const progress = letters.purge(queue, selected, {
    ...(olderThan === undefined ? {} : { olderThan }),
    dryRun
  })
  const some = followSome(work, input, progress, `${withReason(input.reason)}${old}`)
  // One that is too young is there all the same.
  const named = olderThan === undefined ? input.ids : []
  yield* conclude(work, named, yield* patiently(queue, some))
})

/** Takes them out as lines of JSON; they stay where they are. */
export const exportTo = Effect.fnUntraced(function* (
  queue: QueueName.QueueName,
  input: { readonly path: string; readonly reason: string | undefined; readonly yes: boolean }
) {
  const output = yield* Output.Output
  const letters = yield* DeadLetters.DeadLetters
  const lines = letters.exportNdjson(queue, onlyWith(input.reason))
  if (input.path === Files.standardInput) return yield* Stream.runForEach(lines, output.raw)
  if (existsSync(input.path)) {
    yield* Confirm.confirm(`Replace ${input.path}?`, { yes: input.yes })
  }
  const bar = yield* Progress.make("exporting")
  let done = 0
  yield* Files.write(
    input.path,
    Stream.tap(lines, () => Effect.suspend(() => bar({ done: ++done })))
  )
  yield* output.result({ done, path: input.path }, () => `exported ${done} to ${input.path}`)
}, Effect.scoped)

/** Sends what was exported. */
export const importFrom = Effect.fnUntraced(function* (
  queue: QueueName.QueueName,
  input: Pick<ReplayInput, "rate" | "set" | "unset"> & { readonly path: string }
): Effect.fn.Return<void, Failing, DeadLetters.DeadLetters | Output.Output> {
  const letters = yield* DeadLetters.DeadLetters
  const { path, rate } = input
  const lines = Stream.map(Files.lines(path), (line) => `${line}\n`)
  const work: Work = { label: "importing", done: "imported", queue, isDry: false }
  const progress = letters.importNdjson(queue, lines, {
    ...changesOf(input),
    ...(rate === undefined ? {} : { rate })
  })
  const { done, failed, failures } = yield* Effect.mapError(follow(work, progress), (error) =>
    error._tag === "QueueError" && error.reason._tag === "SerializationFailed"
      ? new Failure.Failure({
          code: "failure",
          reason: error.reason._tag,
          message: `${path === Files.standardInput ? "the standard input" : path}: ${error.reason.detail}`,
          hint: "a line is one that dlq export wrote; send --ndjson takes messages that were not"
        })
      : error
  )
  const output = yield* Output.Output
  yield* output.result({ done, failed, failures }, () => `imported ${done} into ${queue}`)
  if (failed === 0) return
  return yield* new Failure.Failure({
    code: "partly",
    message: `${failed} of ${done + failed} were not sent`
  })
})

const bars = "▏▎▍▌▋▊▉█"

const barOf = (count: number, most: number, cells: number): string => {
  const eighths = most === 0 ? 0 : Math.max(1, Math.round((count / most) * cells * 8))
  const rest = eighths % 8
  return "█".repeat(Math.floor(eighths / 8)) + (rest === 0 ? "" : (bars[rest - 1] ?? ""))
}

const barCells = 24

/** Sums up. */
export const stats = Effect.fnUntraced(function* (
  queue: QueueName.QueueName
): Effect.fn.Return<void, Failing, Needs> {
  const output = yield* Output.Output
  const letters = yield* DeadLetters.DeadLetters
  const some = Effect.filterOrFail(
    letters.statistics(queue),
    (found) => found.count > 0,
    () => nothing(queue)
  )
  const { byHour, byReason, byService, complete, count, newest, oldest } = yield* patiently(
    queue,
    some
  )
  const iso = (at: DateTime.Utc | undefined) =>
    at === undefined ? undefined : DateTime.formatIso(at)
  const json = {
    queue,
    count,
    complete,
    oldest: iso(oldest),
    newest: iso(newest),
    byReason,
    byService,
    byHour: byHour.map((hour) => ({ start: iso(hour.start), count: hour.count }))
  }
  yield* output.result(json, () => {
    const { columns, style } = output
    const most = Math.max(...byHour.map((hour) => hour.count))
    const table = (heading: string, counts: Readonly<Record<string, number>>): string =>
      Table.render(
        [
          { heading, style: style.yellow },
          { heading: "COUNT", isRight: true }
        ],
        Object.entries(counts).map(([name, number]) => [name, String(number)]),
        { columns, style }
      )
    const hours = Table.render(
      [
        { heading: "HOUR (UTC)", style: style.dim },
        { heading: "COUNT", isRight: true },
        { heading: "" }
      ],
      byHour.map((hour) => [
        MessageView.time(hour.start).slice(0, 16),
        String(hour.count),
        barOf(hour.count, most, barCells)
      ]),
      { columns, style }
    )
    const head = `${complete ? "" : "≥ "}${count} dead ${count === 1 ? "letter" : "letters"} of ${queue}`
    return [style.bold(head), table("REASON", byReason), table("SERVICE", byService), hours].join(
      "\n\n"
    )
  })
})
