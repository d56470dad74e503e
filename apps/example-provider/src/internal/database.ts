import * as Result from "effect/Result"
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite"

type Row = Record<string, unknown>

/** One handle on a file, with its statements compiled once. What throws here is mapped by who calls. */
export class Database {
  readonly handle: DatabaseSync
  // Bounded: every statement is a constant of this package.
  readonly #statements = new Map<string, StatementSync>()

  constructor(handle: DatabaseSync) {
    this.handle = handle
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.handle.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  get(sql: string, ...values: ReadonlyArray<SQLInputValue>): Row | undefined {
    return this.#prepare(sql).get(...values)
  }

  all(sql: string, ...values: ReadonlyArray<SQLInputValue>): ReadonlyArray<Row> {
    return this.#prepare(sql).all(...values)
  }

  /** How many rows it changed. */
  run(sql: string, ...values: ReadonlyArray<SQLInputValue>): number {
    return Number(this.#prepare(sql).run(...values).changes)
  }

  /** A whole number that a statement answers, or nothing. */
  number(sql: string, ...values: ReadonlyArray<SQLInputValue>): number | undefined {
    const [value] = Object.values(this.get(sql, ...values) ?? {})
    return typeof value === "number" ? value : undefined
  }

  /** All of it or nothing. Alone from the start: a transaction that reads first may find it cannot write. */
  transaction<A>(f: () => A): A {
    this.handle.exec("BEGIN IMMEDIATE")
    const result = Result.try(() => {
      const value = f()
      this.handle.exec("COMMIT")
      return value
    })
    if (Result.isFailure(result) && this.handle.isTransaction) this.handle.exec("ROLLBACK")
    return Result.getOrThrowWith(result, (thrown) => thrown)
  }

  /** Changes whenever another connection has committed something. */
  version(): number | undefined {
    return this.number("PRAGMA data_version")
  }
}
