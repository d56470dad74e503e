/**
 * Elements without HTML: what a queue brings is only ever text.
 *
 * @since 0.1.0
 */

/**
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {Record<string, string | number | boolean | null | undefined | ((event: any) => void)>} Attributes
 */

/**
 * An element. A function under `onclick` and the like listens; `true` sets an attribute, `false` and
 * nothing leave it out; children that are no nodes become text.
 *
 * @param {string} tag
 * @param {Attributes} [attributes]
 * @param {...(Child | ReadonlyArray<Child>)} children
 * @returns {any}
 */
export const h = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value)
    else if (value === true) element.setAttribute(name, "")
    else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, String(value))
    }
  }
  element.append(...nodesOf(children))
  return element
}

/** @param {ReadonlyArray<Child | ReadonlyArray<Child>>} children */
const nodesOf = (children) =>
  children
    .flat()
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)))

/**
 * Puts children in the place of those that are there.
 *
 * @param {Element} parent
 * @param {...(Child | ReadonlyArray<Child>)} children
 */
export const fill = (parent, ...children) => parent.replaceChildren(...nodesOf(children))

/**
 * Sets a text that changes often, and leaves the element alone when it did not.
 *
 * @param {Element} element
 * @param {string} text
 */
export const setText = (element, text) => {
  if (element.textContent !== text) element.textContent = text
}

/**
 * The element of an id, which is there.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export const byId = (id) => {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`#${id} is missing`)
  return found
}

/**
 * Says something to who does not see the page.
 *
 * @param {string} text
 */
export const announce = (text) => setText(byId("announcement"), text)
