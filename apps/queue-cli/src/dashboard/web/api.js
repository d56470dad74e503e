/**
 * Asking the server.
 *
 * @since 0.1.0
 */

/** What went wrong, in the server's words. */
export class ApiError extends Error {
  /**
   * @param {number} status 0 when there was no answer
   * @param {string} reason
   * @param {string} message
   */
  constructor(status, reason, message) {
    super(message)
    this.status = status
    this.reason = reason
  }
}

/** @param {Response} response */
const errorOf = async (response) => {
  const { error } = await response.json().catch(() => ({}))
  return new ApiError(
    response.status,
    error?.reason ?? "Failed",
    error?.message ?? `the dashboard answered ${response.status}`
  )
}

/**
 * @param {string} path
 * @param {RequestInit} [init]
 */
const call = async (path, init) => {
  const response = await fetch(path, init).catch(() => {
    throw new ApiError(0, "Unreachable", "the dashboard does not answer: is it still running?")
  })
  if (!response.ok) throw await errorOf(response)
  return response.json()
}

/**
 * @param {string} path
 * @param {Record<string, string | number | undefined>} query
 */
export const url = (path, query = {}) => {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]]
  )
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`
}

/**
 * @param {string} path
 * @param {Record<string, string | number | undefined>} [query]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export const get = (path, query, signal) => call(url(path, query), { signal: signal ?? null })

/**
 * Changes something. The header is one that no other site may send.
 *
 * @param {string} path
 * @param {unknown} body
 * @returns {Promise<any>}
 */
export const post = (path, body) =>
  call(path, {
    method: "POST",
    headers: { "content-type": "application/json", "x-queue-runtime": "1" },
    body: JSON.stringify(body)
  })
