/**
 * Questions before something is done that cannot be taken back.
 *
 * @since 0.1.0
 */
import { h } from "./dom.js"
import * as format from "./format.js"

let counter = 0

/**
 * A modal dialog; the browser keeps the focus in it and gives it back.
 *
 * @param {string} title
 * @param {ReadonlyArray<any>} content
 * @param {string} [className]
 */
export const open = (title, content, className = "") => {
  const id = `dialog-${++counter}`
  const dialog = h(
    "dialog",
    { class: className, "aria-labelledby": id },
    h("h2", { id }, title),
    ...content
  )
  dialog.addEventListener("close", () => dialog.remove())
  document.body.append(dialog)
  dialog.showModal()
  return dialog
}

/**
 * @param {string} label
 * @param {any} input
 * @param {string} [help]
 */
const field = (label, input, help) => {
  const id = `field-${++counter}`
  input.id = id
  if (help !== undefined) input.setAttribute("aria-describedby", `${id}-help`)
  return h(
    "div",
    { class: input.type === "checkbox" ? "field check" : "field" },
    h("label", { for: id }, label),
    input,
    help === undefined ? null : h("p", { id: `${id}-help`, class: "muted" }, help)
  )
}

/**
 * @param {string} text
 * @param {string} className
 * @param {() => any} close
 */
const buttons = (text, className, close) => {
  const submit = h("button", { type: "submit", class: className }, text)
  return {
    submit,
    row: h(
      "p",
      { class: "buttons" },
      h("button", { type: "button", onclick: close }, "Cancel"),
      submit
    )
  }
}

/**
 * Asks how to replay; `undefined` when it is not to be.
 *
 * @param {{ what: string, queue: string, deduplication: string }} about
 * @returns {Promise<{ dryRun: boolean, restartDeliveryCount: boolean, rate?: number } | undefined>}
 */
export const askReplay = ({ deduplication, queue, what }) =>
  new Promise((resolve) => {
    const rate = h("input", { type: "number", min: "1", step: "1", inputmode: "numeric" })
    const restart = h("input", { type: "checkbox", checked: true })
    const dryRun = h("input", { type: "checkbox" })
    const { row } = buttons("Replay", "primary", () => dialog.close())
    const copies =
      deduplication === "unsupported"
        ? "If it is cut short, a message may be sent twice: this queue does not drop duplicates."
        : "If it is cut short, a second copy is dropped by the queue for a while."
    const form = h(
      "form",
      {
        method: "dialog",
        onsubmit: () =>
          resolve({
            dryRun: dryRun.checked,
            restartDeliveryCount: restart.checked,
            ...(rate.value === "" ? {} : { rate: Number(rate.value) })
          })
      },
      h(
        "p",
        {},
        `Send ${what} to “${queue}” again. Each is removed here once it is sent. ${copies}`
      ),
      field("Messages a second, at most", rate, "Empty: as fast as it goes."),
      field("Count deliveries from 1 again", restart),
      field("Only say what would be replayed", dryRun),
      row
    )
    const dialog = open("Replay dead letters", [form])
    dialog.addEventListener("close", () => resolve(undefined))
  })

/**
 * Asks whether to purge; the queue's name, or `undefined`.
 *
 * @param {{ what: string, queue: string }} about
 * @returns {Promise<string | undefined>}
 */
export const askPurge = ({ queue, what }) =>
  new Promise((resolve) => {
    const name = h("input", { type: "text", autocomplete: "off", spellcheck: "false" })
    const { row, submit } = buttons("Remove for good", "danger", () => dialog.close())
    submit.disabled = true
    name.addEventListener("input", () => {
      submit.disabled = name.value !== queue
    })
    const form = h(
      "form",
      { method: "dialog", onsubmit: () => resolve(name.value) },
      h("p", {}, `Remove ${what} of “${queue}”. They are gone then: this cannot be undone.`),
      field(`Type ${queue} to confirm`, name),
      row
    )
    const dialog = open("Purge dead letters", [form])
    dialog.addEventListener("close", () => resolve(undefined))
  })

/** @param {number} count */
export const letters = (count) => format.counted(count, "dead letter")
