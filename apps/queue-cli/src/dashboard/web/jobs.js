/**
 * Replays and purges of the queue: how far they are, how they ended.
 *
 * @since 0.1.0
 */
import * as api from "./api.js"
import { announce, fill, h } from "./dom.js"
import * as format from "./format.js"

/** @type {Record<string, ReadonlyArray<string>>} */
const verbs = { replay: ["Replaying", "Replayed"], purge: ["Purging", "Purged"] }

/** @param {any} job */
const titleOf = (job) => {
  const [now = "", past = ""] = verbs[job.kind] ?? []
  if (job.state === "running") return `${now}…`
  if (job.state === "failed") return `${now} failed`
  if (job.state === "cancelled") return `${now} was stopped`
  return job.isDryRun ? "Dry run: nothing was changed" : past
}

/** @param {any} job */
const countsOf = (job) => {
  const done = job.isDryRun
    ? `${format.number(job.done)} would be replayed`
    : `${format.number(job.done)} done`
  const failed = job.failed > 0 ? `, ${format.number(job.failed)} failed` : ""
  const of = job.total === undefined ? "" : ` of ${format.number(job.total)}`
  const rest = job.complete === false ? "; others may have more of them in hand" : ""
  return `${done}${of}${failed}${rest}`
}

/** The newest job of a queue. */
export class Jobs {
  #queue
  #onEnd
  #dismissed = new Set()
  /** @type {any} */
  #last
  #fetching = false
  #timer = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined)
  element = h("div", { class: "job", hidden: true })

  /**
   * @param {string} queue
   * @param {() => void} onEnd
   */
  constructor(queue, onEnd) {
    this.#queue = queue
    this.#onEnd = onEnd
  }

  close() {
    clearTimeout(this.#timer)
    this.#queue = ""
  }

  get isRunning() {
    return this.#last?.state === "running"
  }

  /** Asks how it stands; again soon while one runs. */
  async refresh() {
    if (this.#fetching || this.#queue === "") return
    this.#fetching = true
    try {
      const { jobs } = await api.get("/api/jobs", { queue: this.#queue })
      this.show(jobs[0])
    } catch {
      // The page says already that nothing answers.
    } finally {
      this.#fetching = false
    }
    clearTimeout(this.#timer)
    if (this.isRunning) this.#timer = setTimeout(() => this.refresh(), 400)
  }

  /** @param {any} job */
  show(job) {
    const before = this.#last
    this.#last = job
    if (job === undefined || this.#dismissed.has(job.id)) {
      this.element.hidden = true
      return
    }
    this.element.hidden = false
    this.element.className = `job is-${job.state}`
    this.#paint(job)
    if (before?.id === job.id && before.state === "running" && job.state !== "running") {
      announce(`${titleOf(job)}: ${countsOf(job)}`)
      this.#onEnd()
    }
  }

  /** @param {any} job */
  #paint(job) {
    const isRunning = job.state === "running"
    const progress = h("progress", { "aria-label": titleOf(job) })
    if (job.total > 0) {
      progress.max = job.total
      progress.value = job.done + job.failed
    } else if (!isRunning) {
      progress.max = 1
      progress.value = 1
    }
    const button = isRunning
      ? h("button", { type: "button", onclick: () => this.#cancel(job.id) }, "Stop")
      : h("button", { type: "button", onclick: () => this.#dismiss(job.id) }, "Dismiss")
    const hadFocus = this.element.contains(document.activeElement)
    fill(
      this.element,
      h(
        "p",
        { class: "job-line" },
        h("strong", {}, titleOf(job)),
        h("span", { class: "job-counts" }, countsOf(job)),
        isRunning ? progress : null,
        button
      ),
      job.problem === undefined ? null : h("p", { class: "problem" }, job.problem.message),
      job.examples.length === 0
        ? null
        : h(
            "details",
            {},
            h("summary", {}, "What failed"),
            h(
              "ul",
              {},
              job.examples.map((/** @type {any} */ one) =>
                h("li", {}, h("code", {}, one.messageId), ` ${one.message}`)
              )
            )
          )
    )
    if (hadFocus) button.focus()
  }

  /** @param {string} id */
  async #cancel(id) {
    await api.post("/api/cancel", { id }).catch(() => undefined)
    await this.refresh()
  }

  /** @param {string} id */
  #dismiss(id) {
    this.#dismissed.add(id)
    this.element.hidden = true
  }
}
