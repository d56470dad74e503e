declare module "dynalite" {
  import type { Server } from "node:http"
  /** A DynamoDB in memory, not listening yet. */
  const dynalite: (options?: {
    readonly createTableMs?: number
    readonly deleteTableMs?: number
    readonly maxItemSizeKb?: number
  }) => Server
  export default dynalite
}
