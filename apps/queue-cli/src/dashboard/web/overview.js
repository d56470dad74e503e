/**
 * What the queue holds, in tiles and charts.
 *
 * @since 0.1.0
 */
import { Chart } from "./charts.js"
import { fill, h, setText } from "./dom.js"
import * as format from "./format.js"

/** @type {Record<string, string>} */
const services = {
  memory: "The memory broker",
  "aws-sqs": "SQS",
  "azure-service-bus": "Service Bus"
}

/**
 * The service as people call it.
 *
 * @param {string} provider
 */
export const serviceOf = (provider) => services[provider] ?? provider

/** Steps that people count time by. */
const timeSteps = [1, 5, 15, 60, 300, 900, 3600, 14_400, 43_200, 86_400, 604_800]

const putAside = { key: "deadLettered", label: "put aside", color: "--c4" }

const ratesTold = [
  { key: "sent", label: "sent", color: "--c1" },
  { key: "left", label: "left", color: "--c2" },
  putAside
]

/** Where nobody counts what is sent there is still how the queue grows. */
const ratesGuessed = [{ key: "growth", label: "growth of the queue", color: "--c1" }, putAside]

/** @param {any} sample */
const figuresOf = (sample) => sample?.figures ?? {}

/** @param {number} value */
const signed = (value) => (value > 0 ? `+${format.rate(value)}` : format.rate(value))

/** The figures of one queue. */
export class Overview {
  #provider
  /** @type {Array<any>} */
  #samples = []
  #tiles =
    /** @type {Map<string, { value: HTMLElement, note: HTMLElement, tile: HTMLElement }>} */ (
      new Map()
    )
  #problem = h("div", { class: "problem", role: "alert", hidden: true })
  #charts
  element

  /**
   * @param {{ provider: string, isOrdered: boolean }} options
   */
  constructor({ isOrdered, provider }) {
    this.#provider = provider
    const tile = (/** @type {string} */ key, /** @type {string} */ label) => {
      const value = h("dd", { class: "value" }, "…")
      const note = h("dd", { class: "note" })
      const made = h("div", { class: "tile" }, h("dt", {}, label), value, note)
      this.#tiles.set(key, { value, note, tile: made })
      return made
    }
    this.#charts = {
      depth: new Chart({
        title: "Messages in the queue",
        series: [
          { label: "all", color: "--c1" },
          { label: "in hand", color: "--c2" },
          { label: "scheduled", color: "--c3" }
        ],
        show: format.number
      }),
      rates: new Chart({
        title: "Messages a minute",
        note: "over the last minute",
        series: ratesTold,
        show: format.rate
      }),
      age: new Chart({
        title: "Age of the oldest message",
        series: [{ label: "age", color: "--c5" }],
        show: (seconds) => format.duration(seconds * 1000),
        steps: timeSteps
      }),
      sessions: new Chart({
        title: "Active sessions",
        series: [{ label: "sessions", color: "--c6" }],
        show: format.number
      })
    }
    this.element = h(
      "section",
      { "aria-labelledby": "figures" },
      h("h2", { id: "figures" }, "Now"),
      this.#problem,
      h(
        "dl",
        { class: "tiles" },
        tile("messages", "Messages"),
        tile("oldest", "Oldest"),
        isOrdered ? tile("sessions", "Active sessions") : null,
        tile("sent", "Sent / min"),
        tile("left", "Left / min"),
        tile("deadLetters", "Dead letters"),
        tile("deadLettered", "Put aside / min")
      ),
      h("h2", {}, "Over time"),
      h(
        "div",
        { class: "charts" },
        this.#charts.depth.element,
        this.#charts.rates.element,
        this.#charts.age.element,
        isOrdered ? this.#charts.sessions.element : null
      )
    )
  }

  close() {
    for (const chart of Object.values(this.#charts)) chart.close()
  }

  /** When the newest sample was taken. */
  get newest() {
    return this.#samples.at(-1)?.at ?? 0
  }

  /**
   * @param {ReadonlyArray<any>} samples new ones
   * @param {number} keep how many at most
   */
  add(samples, keep) {
    // Two askers at once get the same ones.
    const { newest } = this
    this.#samples.push(...samples.filter(({ at }) => at > newest))
    this.#samples.splice(0, Math.max(0, this.#samples.length - keep))
    const last = this.#samples.at(-1)
    if (last === undefined) return
    this.#tell(last)
    this.#draw()
  }

  /**
   * @param {string} key
   * @param {string | undefined} value
   * @param {string} [note]
   */
  #set(key, value, note = "") {
    const found = this.#tiles.get(key)
    if (found === undefined) return
    setText(found.value, value ?? "Not known")
    setText(found.note, note)
    found.tile.classList.toggle("is-unknown", value === undefined)
  }

  /** @param {any} sample */
  #tell(sample) {
    const { problem, rates } = sample
    this.#problem.hidden = problem === undefined
    if (problem !== undefined) {
      fill(this.#problem, h("strong", {}, "The queue does not answer. "), problem.message)
    }
    const figures = figuresOf(sample)
    const untold = `${serviceOf(this.#provider)} does not tell`
    const { deadLetters, locked, messages, oldest, scheduled, sessions, waiting } = figures
    const parts = [
      waiting && `${format.figure(waiting)} waiting`,
      locked && `${format.figure(locked)} in hand`,
      scheduled?.value > 0 && `${format.figure(scheduled)} scheduled`
    ].filter(Boolean)
    const quiet = problem === undefined ? untold : "no answer"
    this.#set("messages", messages && format.figure(messages), messages ? parts.join(", ") : quiet)
    const isEmpty = messages?.value === 0
    if (oldest !== undefined)
      this.#set("oldest", format.duration(sample.at - oldest), "since it was sent")
    else if (isEmpty && messages.precision === "exact")
      this.#set("oldest", "None", "the queue is empty")
    else this.#set("oldest", undefined, quiet)
    this.#set("sessions", sessions && format.figure(sessions), sessions ? "" : quiet)
    this.#set("deadLetters", deadLetters && format.figure(deadLetters), deadLetters ? "" : quiet)
    this.#rates(rates, isEmpty ? "an empty queue does not tell" : quiet)
  }

  /**
   * @param {any} rates
   * @param {string} quiet
   */
  #rates(rates, quiet) {
    const untold = this.#samples.length < 2 ? "needs a second look" : quiet
    const growth = rates.growth === undefined ? "" : `queue ${signed(rates.growth)} / min`
    for (const key of ["sent", "left", "deadLettered"]) {
      const rate = rates[key]
      const note = key === "left" ? "completed or expired" : ""
      const own = key === "sent" && growth !== "" ? growth : note
      this.#set(
        key,
        rate === undefined ? undefined : format.rate(rate),
        rate === undefined
          ? key === "sent" && growth !== ""
            ? `${untold}; ${growth}`
            : untold
          : own
      )
    }
  }

  #draw() {
    const times = this.#samples.map(({ at }) => at)
    const isAnswered = this.#samples.some(({ figures }) => figures !== undefined)
    const empty = isAnswered ? `${serviceOf(this.#provider)} does not tell this.` : "No answer yet."
    const figure = (/** @type {string} */ name) =>
      this.#samples.map((sample) => figuresOf(sample)[name]?.value ?? null)
    const rate = (/** @type {string} */ name) =>
      this.#samples.map(({ rates }) => rates[name] ?? null)
    const isCounted = this.#samples.some(({ rates }) => rates.sent !== undefined)
    const shown = isCounted ? ratesTold : ratesGuessed
    this.#charts.depth.update(times, ["messages", "locked", "scheduled"].map(figure), { empty })
    this.#charts.rates.update(
      times,
      shown.map(({ key }) => rate(key)),
      { empty, series: shown }
    )
    const ages = this.#samples.map((sample) => {
      const { messages, oldest } = figuresOf(sample)
      if (oldest !== undefined) return (sample.at - oldest) / 1000
      return messages?.value === 0 && messages.precision === "exact" ? 0 : null
    })
    this.#charts.age.update(times, [ages], { empty })
    this.#charts.sessions.update(times, [figure("sessions")], { empty })
  }
}
