/**
 * One dead letter: why, what, and what happened to it before.
 *
 * @since 0.1.0
 */
import * as api from "./api.js"
import { open } from "./dialogs.js"
import { fill, h } from "./dom.js"
import * as format from "./format.js"

/** @param {ReadonlyArray<readonly [string, any]>} facts */
const list = (facts) =>
  h(
    "dl",
    { class: "facts" },
    facts
      .filter(([, value]) => value !== undefined && value !== "")
      .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))
  )

/** @param {any} details */
const detailFacts = (details = {}) => {
  const { attempts, environment, errorType, firstFailedAt, lastFailedAt, service, tags, version } =
    details
  return /** @type {ReadonlyArray<readonly [string, any]>} */ ([
    ["Error", errorType],
    ["Attempts", attempts],
    ["First failure", firstFailedAt && format.dateTime(firstFailedAt)],
    ["Last failure", lastFailedAt && format.dateTime(lastFailedAt)],
    ["Service", [service, version].filter(Boolean).join(" ")],
    ["Environment", environment],
    [
      "Tags",
      tags &&
        Object.entries(tags)
          .map(([name, value]) => `${name}: ${value}`)
          .join(", ")
    ]
  ])
}

/** @param {any} letter */
const body = (letter) => {
  const bytes = format.fromBase64(letter.body.base64)
  const text = format.text(bytes, letter.body.isCut)
  const json = text === undefined || letter.body.isCut ? undefined : format.prettyJson(text)
  const views = /** @type {ReadonlyArray<readonly [string, string | undefined]>} */ ([
    ["JSON", json],
    ["Text", text],
    ["Hex", format.hex(bytes)]
  ])
  const first = views.find(([, value]) => value !== undefined)?.[0]
  const shown = h("pre", { class: "body", tabindex: "0", role: "region", "aria-label": "Content" })
  const show = (/** @type {string | undefined} */ value) => {
    shown.textContent = value === "" ? "(no bytes)" : (value ?? "")
  }
  show(views.find(([name]) => name === first)?.[1])
  return h(
    "section",
    { "aria-labelledby": "letter-body" },
    h("h3", { id: "letter-body" }, `Body, ${format.bytes(letter.size)}`),
    h(
      "fieldset",
      { class: "views" },
      h("legend", {}, "Show it as"),
      views.map(([name, value]) =>
        h(
          "label",
          {},
          h("input", {
            type: "radio",
            name: "view",
            value: name,
            checked: name === first,
            disabled: value === undefined,
            onchange: () => show(value)
          }),
          name
        )
      )
    ),
    shown,
    letter.body.isCut
      ? h(
          "p",
          { class: "muted" },
          `The first ${format.bytes(bytes.length)}; download it for the rest.`
        )
      : null
  )
}

/**
 * The attributes, to look at or to change before a replay.
 *
 * @param {Record<string, string>} attributes
 */
const attributesOf = (attributes) => {
  const entries = Object.entries(attributes)
  return h(
    "section",
    { "aria-labelledby": "letter-attributes" },
    h("h3", { id: "letter-attributes" }, "Attributes"),
    entries.length === 0
      ? h("p", { class: "muted" }, "It has none.")
      : h(
          "table",
          {},
          h(
            "thead",
            {},
            h("tr", {}, h("th", { scope: "col" }, "Name"), h("th", { scope: "col" }, "Value"))
          ),
          h(
            "tbody",
            {},
            entries.map(([name, value]) =>
              h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value))
            )
          )
        )
  )
}

/** @param {Record<string, string>} attributes */
const editor = (attributes) => {
  const rows = h("div", { class: "rows" })
  const add = (/** @type {string} */ name, /** @type {string} */ value) => {
    const row = h(
      "div",
      { class: "row" },
      h("input", { type: "text", "aria-label": "Name", value: name, autocomplete: "off" }),
      h("input", { type: "text", "aria-label": `Value of ${name || "the new one"}`, value }),
      h("button", { type: "button", onclick: () => row.remove() }, `Remove ${name}`.trim())
    )
    rows.append(row)
    return row
  }
  for (const [name, value] of Object.entries(attributes)) add(name, value)
  return {
    element: h(
      "details",
      {},
      h("summary", {}, "Change attributes before the replay"),
      rows,
      h(
        "button",
        { type: "button", onclick: () => add("", "").querySelector("input").focus() },
        "Add an attribute"
      )
    ),
    /** What is to be set, and with null removed; nothing when nothing was changed. */
    changes: () => {
      /** @type {Record<string, string | null>} */
      const changed = {}
      const kept = new Set()
      for (const row of rows.children) {
        const [name, value] = [...row.querySelectorAll("input")].map((input) => input.value)
        if (name === undefined || name === "") continue
        kept.add(name)
        if (attributes[name] !== value) changed[name] = value ?? ""
      }
      for (const name of Object.keys(attributes)) if (!kept.has(name)) changed[name] = null
      return Object.keys(changed).length === 0 ? undefined : changed
    }
  }
}

/** @param {ReadonlyArray<any>} history */
const past = (history) =>
  history.length === 0
    ? null
    : h(
        "section",
        { "aria-labelledby": "letter-history" },
        h("h3", { id: "letter-history" }, "Put aside before"),
        h(
          "ol",
          { class: "history" },
          history.map(({ deliveryCount, description, details, reason, source, time }) =>
            h(
              "li",
              {},
              h("strong", {}, reason),
              ` on ${format.dateTime(time)}, from ${source}, after ${format.counted(deliveryCount, "delivery").replace(/ys$/u, "ies")}`,
              description === undefined ? null : h("p", {}, description),
              list(detailFacts(details))
            )
          )
        )
      )

/**
 * Shows one.
 *
 * @param {{
 *   queue: string,
 *   id: string,
 *   isReadOnly: boolean,
 *   onReplay: (id: string, attributes: Record<string, string | null> | undefined) => void
 * }} options
 */
export const inspect = async ({ id, isReadOnly, onReplay, queue }) => {
  const content = h("div", { class: "letter", "aria-busy": "true" }, h("p", {}, "Reading…"))
  const actions = h("p", { class: "buttons" })
  const dialog = open("Dead letter", [content, actions], "wide")
  const close = h("button", { type: "button", onclick: () => dialog.close() }, "Close")
  fill(actions, close)
  try {
    const letter = await api.get("/api/letter", { queue, id })
    const edited = editor(letter.attributes)
    const { details } = letter
    content.removeAttribute("aria-busy")
    fill(
      content,
      h(
        "div",
        { class: "why" },
        h("p", { class: "reason" }, letter.reason),
        letter.description === undefined ? null : h("p", {}, letter.description)
      ),
      list([
        ["Message", h("code", {}, letter.messageId)],
        ["Session", letter.sessionId && h("code", {}, letter.sessionId)],
        ["Correlation", letter.correlationId && h("code", {}, letter.correlationId)],
        ["Put aside", format.dateTime(letter.time)],
        ["From", letter.source],
        ["Deliveries", String(letter.deliveryCount)],
        ["Sent", format.dateTime(letter.enqueuedAt)],
        ["Content type", letter.contentType],
        ["Time to live", letter.timeToLiveMillis && format.duration(letter.timeToLiveMillis)],
        ...detailFacts(details)
      ]),
      body(letter),
      attributesOf(letter.attributes),
      past(letter.history),
      details?.stack === undefined
        ? null
        : h(
            "details",
            {},
            h("summary", {}, "Stack"),
            h(
              "pre",
              { class: "body", tabindex: "0", role: "region", "aria-label": "Stack" },
              details.stack
            )
          ),
      isReadOnly ? null : edited.element
    )
    fill(
      actions,
      h(
        "a",
        { class: "button", href: api.url("/api/letter/body", { queue, id }), download: "" },
        "Download the body"
      ),
      isReadOnly
        ? null
        : h(
            "button",
            {
              type: "button",
              class: "primary",
              onclick: () => {
                dialog.close()
                onReplay(id, edited.changes())
              }
            },
            "Replay this one…"
          ),
      close
    )
  } catch (error) {
    content.removeAttribute("aria-busy")
    fill(
      content,
      h(
        "p",
        { class: "problem", role: "alert" },
        error instanceof Error ? error.message : "It failed."
      )
    )
  }
}
