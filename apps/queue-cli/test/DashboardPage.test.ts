import { afterAll, assert, describe, it } from "@effect/vitest"
import { DeadLetters, Message, QueueAddress, QueueClient } from "@queue-runtime/core"
import { Effect, Redacted, Schema } from "effect"
import type { Browser as BrowserProcess, Page } from "playwright-core"
import * as Browser from "./DashboardBrowser.ts"
import { mails, memory, open, putAside, sendSession, until, worlds } from "./DashboardWorld.ts"

if (Browser.isSkipped) {
  process.stderr.write(`the tests of the dashboard in a browser are skipped: ${Browser.missing}\n`)
}

const tile = (page: Page, name: string) =>
  page
    .locator(".tile", { has: page.locator("dt", { hasText: new RegExp(`^${name}$`, "u") }) })
    .locator(".value")

const row = (page: Page, reason: string) => page.locator("tbody tr", { hasText: reason })

const expectText = (page: Page, name: string, pattern: RegExp) =>
  tile(page, name).filter({ hasText: pattern }).waitFor()

const remaining = Effect.gen(function* () {
  const deadLetters = yield* DeadLetters.DeadLetters
  return (yield* deadLetters.count(mails)).count
})

let browser: Promise<BrowserProcess> | undefined

const started = Effect.promise(() => (browser ??= Browser.launch()))

afterAll(() => browser?.then((one) => one.close()))

const opened = Effect.fnUntraced(function* (options?: Parameters<typeof open>[0]) {
  const dashboard = yield* open(options)
  const tab = yield* Browser.open(yield* started, { viewport: { width: 1_280, height: 900 } })
  return { ...tab, ...dashboard }
})

const step = <A>(f: () => Promise<A>): Effect.Effect<A> => Effect.promise(f)

/** What axe-core says; the dialogs are the same on every provider, and looked at on one. */
const looksAt = (provider: string) => (page: Page, state: string) =>
  provider === "memory" ? Browser.assertAccessible(page, state) : Promise.resolve()

type Look = ReturnType<typeof looksAt>

const inspects = async (page: Page, look: Look) => {
  await row(page, "no. 1")
    .getByRole("button", { name: /^Inspect/u })
    .click()
  const dialog = page.getByRole("dialog", { name: "Dead letter" })
  const body = dialog.getByRole("region", { name: "Content" })
  await body.filter({ hasText: '"note": "<b>&amp;</b>"' }).waitFor()
  // What looks like HTML stays what it is.
  assert.strictEqual(await body.locator("b").count(), 0)
  await dialog.getByRole("row", { name: "region eu" }).waitFor()
  await look(page, "with a dead letter")
  await dialog.getByRole("radio", { name: "Hex" }).check()
  assert.include(
    await body.textContent(),
    '00000000  7b 22 69 6e 64 65 78 22 3a 31 2c 22 6e 6f 74 65  {"index":1,"note\n'
  )
  await dialog.getByRole("radio", { name: "Text" }).check()
  assert.strictEqual(await body.textContent(), '{"index":1,"note":"<b>&amp;</b>"}')
  const download = page.waitForEvent("download")
  await dialog.getByRole("link", { name: "Download the body" }).click()
  assert.match((await download).suggestedFilename(), /\.bin$/u)
  await page.keyboard.press("Escape")
  await dialog.waitFor({ state: "detached" })
  const focused = await page.evaluate("document.activeElement?.textContent")
  assert.strictEqual(focused, "Inspect", "the focus is back where it came from")
}

const refusesToPurge = async (page: Page, look: Look) => {
  await page.getByRole("button", { name: "Purge all…" }).click()
  const dialog = page.getByRole("dialog", { name: "Purge dead letters" })
  const confirm = dialog.getByRole("button", { name: "Remove for good" })
  assert.isTrue(await confirm.isDisabled())
  await look(page, "with the question before a purge")
  const name = dialog.getByRole("textbox")
  await name.fill("mail")
  assert.isTrue(await confirm.isDisabled())
  await name.press("Enter")
  assert.isTrue(await dialog.isVisible(), "Enter does not purge")
  await dialog.getByRole("button", { name: "Cancel" }).click()
  await dialog.waitFor({ state: "detached" })
}

const replaysOne = async (page: Page, look: Look) => {
  await row(page, "no. 0").getByRole("checkbox").check()
  await page.getByRole("button", { name: "Replay selected (1)" }).click()
  const dialog = page.getByRole("dialog", { name: "Replay dead letters" })
  await look(page, "with the question before a replay")
  await dialog.getByRole("button", { name: "Replay" }).click()
  await page.locator(".job.is-done", { hasText: "1 done" }).waitFor()
  await row(page, "no. 0").waitFor({ state: "detached" })
}

const filters = async (page: Page) => {
  await page.getByLabel("Reason", { exact: true }).selectOption("Worse")
  await row(page, "Broken").first().waitFor({ state: "detached" })
  assert.strictEqual(await row(page, "Worse").count(), 1)
  await page.getByRole("button", { name: "Replay all “Worse”…" }).click()
  const dialog = page.getByRole("dialog", { name: "Replay dead letters" })
  await dialog.getByRole("checkbox", { name: "Only say what would be replayed" }).check()
  await dialog.getByRole("button", { name: "Replay" }).click()
  await page.locator(".job", { hasText: "1 would be replayed" }).waitFor()
  await page.getByRole("button", { name: "Dismiss" }).click()
  await page.getByLabel("Reason", { exact: true }).selectOption("")
}

describe.each(worlds)("dashboard: the page over %s", (name, world, { canPeek }) => {
  it.live.skipIf(Browser.isSkipped)(
    "R7.1 R9.1 shows the queue as it changes; lists, inspects and replays; purges only when told twice",
    () =>
      Effect.gen(function* () {
        const look = looksAt(name)
        const client = yield* QueueClient.QueueClient
        yield* putAside(["Broken", "Broken", "Worse"], { attributes: { region: "eu" } })
        const { link, page, problems } = yield* opened()
        yield* step(async () => {
          await page.goto(Redacted.value(link))
          assert.notInclude(page.url(), "token")
          await expectText(page, "Dead letters", /^~?3$/u)
          await expectText(page, "Messages", /^~?0$/u)
        })
        yield* client.send(mails, yield* Message.text("one"))
        yield* client.send(mails, yield* Message.text("two"))
        yield* step(async () => {
          await expectText(page, "Messages", /^~?2$/u)
          if (!canPeek) {
            await expectText(page, "Oldest", /^Not known$/u)
            await Browser.assertAccessible(page, "before the dead letters are read")
            await page.getByRole("button", { name: "List the dead letters" }).click()
          } else {
            await expectText(page, "Oldest", /^\d+ s$/u)
          }
          await row(page, "no. 2").waitFor()
          await page.locator("figure", { hasText: "Dead letters by reason" }).waitFor()
          await Browser.assertAccessible(page, "with dead letters")
          await inspects(page, look)
          await refusesToPurge(page, look)
        })
        assert.strictEqual(yield* until(remaining, (count) => count >= 3), 3)
        yield* step(async () => {
          await replaysOne(page, look)
          await expectText(page, "Messages", /^~?3$/u)
          await expectText(page, "Dead letters", /^~?2$/u)
          await filters(page)
        })
        assert.strictEqual(yield* until(remaining, (count) => count >= 2), 2)
        yield* step(async () => {
          await row(page, "no. 1").waitFor()
          await page.getByRole("button", { name: "Purge all…" }).click()
          const dialog = page.getByRole("dialog", { name: "Purge dead letters" })
          await dialog.getByRole("textbox").fill("mails")
          await dialog.getByRole("button", { name: "Remove for good" }).click()
          await page.getByText("No dead letters. Nothing was put aside.").waitFor()
        })
        assert.strictEqual(yield* remaining, 0, name)
        assert.deepStrictEqual(problems, [])
      }).pipe(Effect.scoped, Effect.provide(world)),
    60_000
  )

  it.live.skipIf(Browser.isSkipped)(
    "R9.1 an ordered queue has its sessions, where the service tells of them",
    () =>
      Effect.gen(function* () {
        yield* sendSession("a", "1")
        yield* sendSession("a", "2")
        yield* sendSession("b", "1")
        const { link, page, problems } = yield* opened()
        yield* step(async () => {
          await page.goto(Redacted.value(link))
          await page.getByRole("link", { name: /orders/u }).click()
          await page.getByRole("heading", { level: 1, name: "orders" }).waitFor()
          await expectText(page, "Messages", /^~?3$/u)
          await expectText(page, "Active sessions", canPeek ? /^2$/u : /^Not known$/u)
          await Browser.assertAccessible(page, "of an ordered queue")
        })
        assert.deepStrictEqual(problems, [])
      }).pipe(Effect.scoped, Effect.provide(world)),
    60_000
  )
})

const Sample = Schema.Struct({ text: Schema.String, pretty: Schema.NullOr(Schema.String) })

/** The page's own modules, as the browser runs them. */
const evaluated = <A>(page: Page, expression: string, of: Schema.Codec<A>) =>
  Effect.map(
    Effect.promise(() => page.evaluate(`import("/format.js").then((format) => ${expression})`)),
    Schema.decodeUnknownSync(of)
  )

describe.skipIf(Browser.isSkipped)("dashboard: the page", () => {
  it.live(
    "is usable by keyboard alone, on a phone, in the dark",
    () =>
      Effect.gen(function* () {
        yield* putAside(["Broken"])
        const { link } = yield* open()
        const { page, problems } = yield* Browser.open(yield* started, {
          viewport: { width: 360, height: 740 },
          colorScheme: "dark"
        })
        yield* step(async () => {
          await page.goto(Redacted.value(link))
          await row(page, "Broken").waitFor()
          const width = await page.evaluate("document.documentElement.scrollWidth")
          assert.strictEqual(width, 360, "nothing is wider than the window")
          await Browser.assertAccessible(page, "in the dark and narrow")
          await page.keyboard.press("Tab")
          assert.strictEqual(
            await page.evaluate("document.activeElement?.textContent"),
            "Skip to the queue"
          )
          await page.getByRole("button", { name: /^Inspect/u }).focus()
          await page.keyboard.press("Enter")
          await page.getByRole("dialog").getByRole("heading", { name: /^Body/u }).waitFor()
          await page.keyboard.press("Escape")
          await page.locator("summary", { hasText: "Numbers" }).first().focus()
          await page.keyboard.press("Enter")
          await page
            .getByRole("region", { name: /^Numbers of Messages/u })
            .getByRole("table")
            .waitFor()
          await Browser.assertAccessible(page, "with the numbers of a chart")
        })
        assert.deepStrictEqual(problems, [])
      }).pipe(Effect.scoped, Effect.provide(memory)),
    60_000
  )

  it.live(
    "says that it has nothing to show, that nobody answers, and that somebody is not signed in",
    () =>
      Effect.gen(function* () {
        const { link, page, url } = yield* opened()
        yield* step(async () => {
          const answer = await page.goto(url)
          assert.strictEqual(answer?.status(), 401)
          await page.getByLabel("Token").fill("wrong")
          await Browser.assertAccessible(page, "of who has no token")
          await page.getByRole("button", { name: "Sign in" }).click()
          await page.getByRole("alert").filter({ hasText: "not the token" }).waitFor()
          const secret = new URL(Redacted.value(link)).searchParams.get("token") ?? ""
          await page.getByLabel("Token").fill(secret)
          await page.getByRole("button", { name: "Sign in" }).click()
          await page.getByText("No dead letters. Nothing was put aside.").waitFor()
          await Browser.assertAccessible(page, "with nothing to show")
          await page.context().clearCookies()
          await page.getByText("Signed out").waitFor()
          await page.context().setOffline(true)
          await page.getByText("No answer:").waitFor()
        })
      }).pipe(Effect.scoped, Effect.provide(memory)),
    60_000
  )

  it.live(
    "changes attributes before a replay",
    () =>
      Effect.gen(function* () {
        const client = yield* QueueClient.QueueClient
        yield* putAside(["Broken"], { attributes: { region: "eu", kind: "x" } })
        const { link, page, problems } = yield* opened()
        yield* step(async () => {
          await page.goto(Redacted.value(link))
          await page.getByRole("button", { name: /^Inspect/u }).click()
          const dialog = page.getByRole("dialog", { name: "Dead letter" })
          await dialog.getByText("Change attributes before the replay").click()
          await Browser.assertAccessible(page, "with attributes to change")
          await dialog.getByLabel("Value of region").fill("us")
          await dialog.getByRole("button", { name: "Remove kind" }).click()
          await dialog.getByRole("button", { name: "Add an attribute" }).click()
          await page.keyboard.type("again")
          await dialog.getByLabel("Value of the new one").fill("yes")
          await dialog.getByRole("button", { name: "Replay this one…" }).click()
          await page
            .getByRole("dialog", { name: "Replay dead letters" })
            .getByRole("button", { name: "Replay" })
            .click()
          await page.locator(".job.is-done").waitFor()
        })
        const [received] = yield* client.receive(mails)
        assert.deepStrictEqual(received?.attributes, { region: "us", again: "yes" })
        assert.deepStrictEqual(problems, [])
      }).pipe(Effect.scoped, Effect.provide(memory)),
    60_000
  )

  it.live(
    "R7.1 says that others may have more dead letters than it replayed",
    () =>
      Effect.gen(function* () {
        const client = yield* QueueClient.QueueClient
        yield* putAside(["Broken", "Broken"])
        const { link, page, problems } = yield* opened()
        yield* step(async () => {
          await page.goto(Redacted.value(link))
          await row(page, "Broken").first().waitFor()
        })
        yield* client.receive(QueueAddress.deadLetter(mails), { max: 1 })
        yield* step(async () => {
          for (const one of [0, 1]) {
            await row(page, "Broken").nth(one).getByRole("checkbox").check()
          }
          await page.getByRole("button", { name: /^Replay selected/u }).click()
          const dialog = page.getByRole("dialog", { name: "Replay dead letters" })
          await dialog.getByRole("button", { name: "Replay" }).click()
          const told = /^1 done of 2; others may have more of them in hand$/u
          await page.locator(".job.is-done .job-counts", { hasText: told }).waitFor()
        })
        assert.deepStrictEqual(problems, [])
      }).pipe(Effect.scoped, Effect.provide(memory)),
    60_000
  )

  it.live(
    "shows figures, durations and bodies as they are",
    () =>
      Effect.gen(function* () {
        const { link, page } = yield* opened()
        yield* step(() => page.goto(Redacted.value(link)))
        const texts = [
          '{"a":12345678901234567890,"b":[1,{"c":"x, y: {z}"}],"d":[],"e":{}}',
          '"\\"quoted\\""',
          "no JSON",
          "1.0"
        ]
        const shown = yield* evaluated(
          page,
          `${JSON.stringify(texts)}.map((text) => ({ text, pretty: format.prettyJson(text) ?? null }))`,
          Schema.Array(Sample)
        )
        assert.deepStrictEqual(
          shown.map(({ pretty }) => pretty),
          [
            '{\n  "a": 12345678901234567890,\n  "b": [\n    1,\n    {\n      "c": "x, y: {z}"\n    }\n  ],\n  "d": [],\n  "e": {}\n}',
            '"\\"quoted\\""',
            null,
            "1.0"
          ]
        )
        const durations = yield* evaluated(
          page,
          "[0, 999, 1000, 59999, 60000, 3600000, 3661000, 90000000].map(format.duration)",
          Schema.Array(Schema.String)
        )
        assert.deepStrictEqual(durations, [
          "0 s",
          "0 s",
          "1 s",
          "59 s",
          "1 min",
          "1 h",
          "1 h 1 min",
          "1 d 1 h"
        ])
        const bytes = yield* evaluated(
          page,
          `[format.hex(new Uint8Array(17).fill(65)), format.bytes(1536), format.text(new Uint8Array([255]), false) ?? "none",
            format.text(new Uint8Array([104, 195]), true), format.figure({ value: 1000, precision: "atLeast" })]`,
          Schema.Array(Schema.String)
        )
        assert.deepStrictEqual(bytes, [
          `00000000  ${"41 ".repeat(16)} AAAAAAAAAAAAAAAA\n00000010  41${" ".repeat(45)}  A`,
          "1.5 KiB",
          "none",
          "h",
          "≥1,000"
        ])
      }).pipe(Effect.scoped, Effect.provide(memory)),
    60_000
  )
})
