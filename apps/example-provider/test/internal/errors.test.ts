import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import { QueueError } from "@queue-runtime/core"
import * as errors from "../../src/internal/errors.ts"

/** An error as `node:sqlite` throws it. */
const thrown = (errcode: number) =>
  Object.assign(new Error("what SQLite says"), { code: "ERR_SQLITE_ERROR", errcode })

const told = (error: unknown) => {
  const { reason, retry } = errors.fromThrown(error, "send", "orders", Duration.seconds(2))
  return `${reason._tag} ${retry}: ${reason.message}`
}

describe("fromThrown", () => {
  it.each([
    [3, "PermissionDenied Never: permission denied: SQLITE_PERM"],
    [5, "Timeout Transient: no answer within 2s"],
    // SQLITE_BUSY_SNAPSHOT, SQLITE_LOCKED, SQLITE_READONLY_DBMOVED
    [517, "Timeout Transient: no answer within 2s"],
    [6, "Timeout Transient: no answer within 2s"],
    [1032, "PermissionDenied Never: permission denied: SQLITE_READONLY"],
    [10, 'ProviderFailure Transient: provider "sqlite" failed with SQLITE_IOERR'],
    [11, 'ProviderFailure Never: provider "sqlite" failed with SQLITE_CORRUPT'],
    [13, 'ProviderFailure Transient: provider "sqlite" failed with SQLITE_FULL'],
    [14, "ConnectionFailed Transient: the connection failed: the file cannot be opened"],
    [26, 'ProviderFailure Never: provider "sqlite" failed with SQLITE_NOTADB'],
    [1, 'ProviderFailure Never: provider "sqlite" failed with SQLITE_1']
  ] as const)("R2.3 result code %i is %s", (code, expected) => {
    assert.strictEqual(told(thrown(code)), expected)
  })

  it("R2.2 what nobody knows is Never, by its code or its name", () => {
    const failed = 'ProviderFailure Never: provider "sqlite" failed with '
    const coded = Object.assign(new Error("no"), { code: "ERR_INVALID_ARG_TYPE" })
    assert.strictEqual(told(coded), `${failed}ERR_INVALID_ARG_TYPE`)
    assert.strictEqual(told(new TypeError("no")), `${failed}TypeError`)
    assert.strictEqual(told("no"), `${failed}Unknown`)
  })

  it("R10.4 a handle that is closed is ConnectionFailed", () => {
    const closed = Object.assign(new Error("database is not open"), { code: "ERR_INVALID_STATE" })
    assert.match(told(closed), /^ConnectionFailed Transient: .*the provider is closed$/u)
  })

  it("R2.3 has its place, and the original as a cause that is safe to print", () => {
    const original = thrown(11)
    const error = errors.fromThrown(original, "send", "orders")
    assert.deepStrictEqual(
      [error.provider, error.operation, error.queue],
      ["sqlite", "send", "orders"]
    )
    assert.isTrue(error.cause instanceof QueueError.OriginalError)
    assert.strictEqual(QueueError.OriginalError.from(error.cause).unwrap(), original)
    assert.isUndefined(errors.fromThrown(original, "connect").queue)
  })
})
