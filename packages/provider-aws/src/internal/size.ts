import type { SendEntry } from "./sqs.ts"
import * as utf8 from "./utf8.ts"

/**
 * The bytes SQS counts against its limits: the body, and each attribute's name, type and value. Group,
 * deduplication id and system attributes are free.
 */
export const sizeOf = (entry: Pick<SendEntry, "body" | "attributes">): number => {
  let total = utf8.length(entry.body)
  for (const [name, { BinaryValue, DataType = "", StringValue = "" }] of Object.entries(
    entry.attributes
  )) {
    const value = BinaryValue?.byteLength ?? utf8.length(StringValue)
    total += utf8.length(name) + utf8.length(DataType) + value
  }
  return total
}
