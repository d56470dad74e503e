/**
 * The page: which queues there are, and the one that is shown.
 *
 * @since 0.1.0
 */
import * as api from "./api.js"
import { byId, fill, h, setText } from "./dom.js"
import * as format from "./format.js"
import { Letters } from "./letters.js"
import { Overview, serviceOf } from "./overview.js"

/** Samples that a chart shows: an hour at one every five seconds. */
const samplesMax = 720

/** How long to wait before asking again when nothing answers. */
const retryMillis = 3_000

/** @type {{ name: string, overview: Overview, letters: Letters } | undefined} */
let shown

/** @type {Array<any>} */
let queues = []

/** @param {string} name */
const hashOf = (name) => `#/${encodeURIComponent(name)}`

const wanted = () => {
  try {
    return decodeURIComponent(location.hash.replace(/^#\//u, ""))
  } catch {
    return ""
  }
}

/** @param {any} queue */
const label = ({ latest, name }) => {
  const { deadLetters, messages } = latest?.figures ?? {}
  const dead = deadLetters?.value > 0
  return [
    h("span", { class: "name" }, name),
    h(
      "span",
      { class: "counts" },
      latest?.problem !== undefined
        ? h("span", { class: "badge is-bad" }, "no answer")
        : messages === undefined
          ? null
          : format.figure(messages),
      dead
        ? h(
            "span",
            { class: "badge" },

            `${format.figure(deadLetters)} dead`
          )
        : null
    )
  ]
}

const navigate = () => {
  const nav = byId("queues")
  const focused = document.activeElement?.getAttribute("href")
  fill(
    nav,
    h(
      "ul",
      {},
      queues.map((queue) =>
        h(
          "li",
          {},
          h(
            "a",
            { href: hashOf(queue.name), "aria-current": queue.name === shown?.name && "page" },
            label(queue)
          )
        )
      )
    )
  )
  const again = [...nav.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused)
  again?.focus()
}

/** @param {any} overview */
const choose = (overview) => {
  const queue = queues.find(({ name }) => name === wanted()) ?? queues[0]
  if (queue === undefined || queue.name === shown?.name) return
  shown?.overview.close()
  shown?.letters.close()
  const { canPeek, deduplication, isOrdered, name } = queue
  shown = {
    name,
    overview: new Overview({ provider: overview.provider, isOrdered }),
    letters: new Letters(name, { canPeek, deduplication, isReadOnly: overview.isReadOnly })
  }
  document.title = `${name} · queue-runtime`
  fill(
    byId("main"),
    h("h1", {}, name, isOrdered ? h("span", { class: "tag" }, "ordered") : null),
    shown.overview.element,
    shown.letters.element
  )
}

/** @param {string} text @param {string} state */
const connection = (text, state) => {
  const element = byId("connection")
  setText(element, text)
  element.className = `connection is-${state}`
}

const tick = async () => {
  const overview = await api.get("/api/overview")
  queues = overview.queues
  setText(byId("provider"), serviceOf(overview.provider))
  byId("provider").title = overview.stack.join(" › ")
  choose(overview)
  navigate()
  const now = shown
  if (now !== undefined) {
    const { samples } = await api.get("/api/series", {
      queue: now.name,
      after: now.overview.newest
    })
    if (now === shown) now.overview.add(samples, samplesMax)
    await now.letters.refreshJobs()
  }
  const { everyMillis } = overview
  const every = everyMillis < 1000 ? `${everyMillis} ms` : format.duration(everyMillis)
  connection(`Live, every ${every}`, "live")
  return everyMillis
}

/** @param {unknown} error */
const lost = (error) => {
  const isOut = error instanceof api.ApiError && error.status === 401
  connection(
    isOut
      ? "Signed out: open the link that queue-runtime printed"
      : error instanceof Error
        ? `No answer: ${error.message}`
        : "No answer",
    "lost"
  )
  return retryMillis
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer

const loop = async () => {
  clearTimeout(timer)
  const wait = await tick().catch(lost)
  clearTimeout(timer)
  // What nobody looks at is not asked for; it goes on when the page is shown.
  if (!document.hidden) timer = setTimeout(loop, Math.max(wait, 250))
}

addEventListener("hashchange", () => {
  void loop()
  byId("main").focus({ preventScroll: true })
})
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) void loop()
})
void loop()
