/**
 * The dead letters of a queue: over time, in a table, and what can be done with them.
 *
 * @since 0.1.0
 */
import * as api from "./api.js"
import { Chart } from "./charts.js"
import { askPurge, askReplay, letters } from "./dialogs.js"
import { announce, fill, h } from "./dom.js"
import * as format from "./format.js"
import { inspect } from "./inspector.js"
import { Jobs } from "./jobs.js"

const colors = ["--c4", "--c5", "--c1", "--c3", "--c6", "--c2"]

/**
 * Some services and people give none.
 *
 * @param {string} reason
 */
const reasonOf = (reason) => (reason === "" ? "(no reason given)" : reason)

/** @param {unknown} error */
const messageOf = (error) => (error instanceof Error ? error.message : "It failed.")

/** The section of one queue. */
export class Letters {
  #queue
  #options
  #reason = ""
  /** Cursors of the pages before this one. */
  #cursors = /** @type {Array<string | undefined>} */ ([undefined])
  #next = /** @type {string | undefined} */ (undefined)
  #rows = /** @type {ReadonlyArray<any>} */ ([])
  #selected = new Set()
  /** @type {any} */
  #trend
  #isClosed = false
  /** The last reading that was asked for; the one before is let go. */
  #turn = new AbortController()
  #jobs
  #chart = new Chart({
    title: "Dead letters by reason",
    series: [],
    show: format.number,
    bars: true
  })
  #filter = h("select", { id: "reason", onchange: () => this.#filtered() })
  #actions = h("div", { class: "actions" })
  #toolbar = h(
    "div",
    { class: "toolbar" },
    h("label", { for: "reason" }, "Reason"),
    this.#filter,
    h("button", { type: "button", onclick: () => this.load() }, "Read again"),
    this.#actions
  )
  #content = h("div", { class: "card letters" })
  #problem = h("div", { class: "problem", role: "alert", hidden: true })
  #note = h("p", { class: "muted" })
  element

  /**
   * @param {string} queue
   * @param {{ isReadOnly: boolean, canPeek: boolean, deduplication: string }} options
   */
  constructor(queue, options) {
    this.#queue = queue
    this.#options = options
    this.#jobs = new Jobs(queue, () => this.load())
    this.element = h(
      "section",
      { "aria-labelledby": "letters" },
      h("h2", { id: "letters" }, "Dead letters"),
      this.#jobs.element,
      this.#chart.element,
      this.#toolbar,
      this.#problem,
      this.#content,
      this.#note
    )
    this.#chart.element.hidden = true
    this.#toolbar.hidden = true
    this.#filters()
    this.#offer()
    if (options.canPeek) void this.load()
    else this.#ask()
    void this.#jobs.refresh()
  }

  close() {
    this.#isClosed = true
    this.#turn.abort()
    this.#jobs.close()
    this.#chart.close()
  }

  /** Whether somebody works on the queue. */
  refreshJobs() {
    return this.#jobs.refresh()
  }

  /** Where a listing costs something it is made when it is asked for. */
  #ask() {
    fill(
      this.#content,
      h(
        "div",
        { class: "blank" },
        h("p", {}, "This service lets nobody look without receiving."),
        h(
          "p",
          { class: "muted" },
          "To list the dead letters each is received and given back: it counts as a receive, and others do not see it meanwhile."
        ),
        h(
          "button",
          { type: "button", class: "primary", onclick: () => this.load() },
          "List the dead letters"
        )
      )
    )
  }

  async load() {
    this.#toolbar.hidden = false
    this.#cursors = [undefined]
    this.#selected.clear()
    await this.#page()
    await this.#trends()
  }

  #filtered() {
    this.#reason = this.#filter.value
    this.#cursors = [undefined]
    this.#selected.clear()
    void this.#page()
  }

  async #page() {
    this.#turn.abort()
    const turn = (this.#turn = new AbortController())
    this.#content.setAttribute("aria-busy", "true")
    if (this.#rows.length === 0) fill(this.#content, h("p", { class: "blank" }, "Reading…"))
    try {
      const page = await api.get(
        "/api/letters",
        {
          queue: this.#queue,
          cursor: this.#cursors.at(-1),
          reason: this.#reason === "" ? undefined : this.#reason
        },
        turn.signal
      )
      if (this.#isClosed || turn !== this.#turn) return
      this.#problem.hidden = true
      this.#rows = page.letters
      this.#next = page.next
      this.#note.textContent = page.isComplete
        ? ""
        : "These may not be all: others hold some of them, or the service cannot show them now."
      this.#table()
    } catch (error) {
      if (this.#isClosed || turn !== this.#turn) return
      this.#rows = []
      this.#failed(error)
    } finally {
      if (turn === this.#turn) {
        this.#content.removeAttribute("aria-busy")
        this.#offer()
      }
    }
  }

  /** @param {unknown} error */
  #failed(error) {
    fill(this.#content, h("p", { class: "blank" }, "The dead letters could not be read."))
    fill(this.#problem, messageOf(error))
    this.#problem.hidden = false
  }

  async #trends() {
    try {
      this.#trend = await api.get("/api/trend", { queue: this.#queue })
    } catch {
      // The table says why already.
      this.#trend = undefined
    }
    if (this.#isClosed) return
    this.#filters()
    this.#offer()
    const { isComplete = true, series = [], starts = [], stepMillis = 0 } = this.#trend ?? {}
    this.#chart.element.hidden = series.length === 0
    if (series.length === 0) return
    this.#chart.update(
      starts,
      series.map((/** @type {any} */ one) => one.counts),
      {
        series: series.map((/** @type {any} */ one, /** @type {number} */ index) => ({
          label: reasonOf(one.reason),
          color: colors[index] ?? "--c1"
        })),
        stepMillis
      }
    )
    const per = `each bar is ${format.duration(stepMillis)}`
    const caption = this.#chart.element.querySelector("figcaption")
    fill(
      caption,
      h("h3", {}, "Dead letters by reason"),
      h(
        "p",
        { class: "muted" },
        isComplete ? per : `${per}; the first ${format.number(this.#trend.total)}`
      )
    )
  }

  #filters() {
    const series = this.#trend?.series ?? []
    const named = series.filter(
      (/** @type {any} */ one) => one.reason !== "other reasons" && one.reason !== ""
    )
    fill(
      this.#filter,
      h("option", { value: "" }, "All reasons"),
      named.map((/** @type {any} */ { reason, total }) =>
        h(
          "option",
          { value: reason, selected: reason === this.#reason },
          `${reasonOf(reason)} (${format.number(total)})`
        )
      )
    )
    if (this.#filter.value !== this.#reason) {
      this.#filter.append(h("option", { value: this.#reason, selected: true }, this.#reason))
    }
  }

  /** What can be done with what is chosen. */
  #offer() {
    if (this.#options.isReadOnly) {
      fill(this.#actions, h("p", { class: "muted" }, "Read only"))
      return
    }
    const count = this.#selected.size
    const isAny = this.#rows.length > 0
    const whole = this.#reason === "" ? "all" : `all “${this.#reason}”`
    const focused = this.#actions.contains(document.activeElement)
      ? document.activeElement?.getAttribute("data-action")
      : null
    const button = (
      /** @type {string} */ action,
      /** @type {string} */ text,
      /** @type {boolean} */ isOn,
      /** @type {() => void} */ onclick,
      className = ""
    ) =>
      h(
        "button",
        { type: "button", class: className, disabled: !isOn, onclick, "data-action": action },
        text
      )
    fill(
      this.#actions,
      button("selected", `Replay selected (${count})`, count > 0, () => this.#replaySelected()),
      button("all", `Replay ${whole}…`, isAny, () =>
        this.#replay(this.#wholeSelection(), this.#wholeText())
      ),
      button(
        "purge",
        count > 0 ? `Purge selected (${count})…` : `Purge ${whole}…`,
        isAny,
        () => this.#purge(),
        "danger"
      )
    )
    if (focused !== null) {
      this.#actions.querySelector(`[data-action="${focused}"]:enabled`)?.focus()
    }
  }

  #wholeSelection() {
    return this.#reason === "" ? { _tag: "All" } : { _tag: "Reason", reason: this.#reason }
  }

  #wholeText() {
    return this.#reason === ""
      ? "all dead letters"
      : `all dead letters of the reason “${this.#reason}”`
  }

  #replaySelected() {
    const ids = [...this.#selected]
    void this.#replay({ _tag: "Ids", ids }, letters(ids.length))
  }

  /**
   * @param {any} selection
   * @param {string} what
   * @param {Record<string, string | null>} [attributes]
   */
  async #replay(selection, what, attributes) {
    const changed = attributes === undefined ? "" : ", with changed attributes,"
    const options = await askReplay({
      what: what + changed,
      queue: this.#queue,
      deduplication: this.#options.deduplication
    })
    if (options === undefined) return
    await this.#start("/api/replay", {
      selection,
      ...options,
      ...(attributes === undefined ? {} : { attributes })
    })
  }

  async #purge() {
    const ids = [...this.#selected]
    const isSome = ids.length > 0
    const confirm = await askPurge({
      what: isSome ? letters(ids.length) : this.#wholeText(),
      queue: this.#queue
    })
    if (confirm === undefined) return
    const selection = isSome ? { _tag: "Ids", ids } : this.#wholeSelection()
    await this.#start("/api/purge", { selection, confirm })
  }

  /**
   * @param {string} path
   * @param {Record<string, unknown>} body
   */
  async #start(path, body) {
    try {
      const { job } = await api.post(path, { queue: this.#queue, ...body })
      this.#problem.hidden = true
      this.#jobs.show(job)
      announce("Started.")
      await this.#jobs.refresh()
    } catch (error) {
      fill(this.#problem, messageOf(error))
      this.#problem.hidden = false
    }
  }

  #table() {
    if (this.#rows.length === 0) {
      const isFirst = this.#cursors.length === 1
      const text =
        this.#next !== undefined
          ? "None of this reason on this page; there are more pages."
          : isFirst && this.#reason === ""
            ? "No dead letters. Nothing was put aside."
            : "No more dead letters here."
      fill(this.#content, h("p", { class: "blank" }, text), this.#pages())
      return
    }
    const hasSessions = this.#rows.some(({ sessionId }) => sessionId !== undefined)
    const all = h("input", {
      type: "checkbox",
      "aria-label": "Select all of this page",
      onchange: () => {
        for (const { id } of this.#rows) {
          if (all.checked) this.#selected.add(id)
          else this.#selected.delete(id)
        }
        for (const box of this.#content.querySelectorAll("tbody input")) box.checked = all.checked
        this.#offer()
      }
    })
    fill(
      this.#content,
      h(
        "div",
        { class: "scroll", role: "region", tabindex: "0", "aria-label": "Table of dead letters" },
        h(
          "table",
          {},
          h("caption", { class: "hidden" }, `Dead letters of ${this.#queue}`),
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              this.#options.isReadOnly ? null : h("td", {}, all),
              ["Put aside", "Reason", "Message", ...(hasSessions ? ["Session"] : [])].map((name) =>
                h("th", { scope: "col" }, name)
              ),
              ["Deliveries", "Size"].map((name) =>
                h("th", { scope: "col", class: "number" }, name)
              ),
              h("td", {})
            )
          ),
          h(
            "tbody",
            {},
            this.#rows.map((row) => this.#row(row, hasSessions))
          )
        )
      ),
      this.#pages()
    )
  }

  /**
   * @param {any} row
   * @param {boolean} hasSessions
   */
  #row(row, hasSessions) {
    const box = h("input", {
      type: "checkbox",
      "aria-label": `Select ${row.messageId}`,
      checked: this.#selected.has(row.id),
      onchange: () => {
        if (box.checked) this.#selected.add(row.id)
        else this.#selected.delete(row.id)
        this.#offer()
      }
    })
    return h(
      "tr",
      {},
      this.#options.isReadOnly ? null : h("td", {}, box),
      h("td", { class: "time" }, format.dateTime(row.time)),
      h(
        "td",
        {},
        h("strong", {}, reasonOf(row.reason)),
        row.description === undefined ? null : h("p", { class: "description" }, row.description)
      ),
      h("th", { scope: "row" }, h("code", { title: row.messageId }, row.messageId)),
      hasSessions ? h("td", {}, h("code", { title: row.sessionId }, row.sessionId ?? "")) : null,
      h("td", { class: "number" }, String(row.deliveryCount)),
      h("td", { class: "number" }, format.bytes(row.size)),
      h(
        "td",
        {},
        h(
          "button",
          {
            type: "button",
            onclick: () => this.#inspect(row.id),
            "aria-label": `Inspect ${row.messageId}`
          },
          "Inspect"
        )
      )
    )
  }

  /** @param {string} id */
  #inspect(id) {
    void inspect({
      queue: this.#queue,
      id,
      isReadOnly: this.#options.isReadOnly,
      onReplay: (one, attributes) =>
        this.#replay({ _tag: "Ids", ids: [one] }, letters(1), attributes)
    })
  }

  #pages() {
    if (this.#cursors.length === 1 && this.#next === undefined) return null
    const go = (/** @type {() => void} */ move) => () => {
      move()
      void this.#page()
    }
    return h(
      "nav",
      { class: "pages", "aria-label": "Pages of dead letters" },
      h(
        "button",
        {
          type: "button",
          disabled: this.#cursors.length === 1,
          onclick: go(() => this.#cursors.pop())
        },
        "Previous"
      ),
      h("span", {}, `Page ${this.#cursors.length}`),
      h(
        "button",
        {
          type: "button",
          disabled: this.#next === undefined,
          onclick: go(() => this.#cursors.push(this.#next))
        },
        "Next"
      )
    )
  }
}
