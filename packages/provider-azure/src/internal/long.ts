import type { PeekMessagesOptions } from "@azure/service-bus"

type Long = NonNullable<PeekMessagesOptions["fromSequenceNumber"]>

/** A number of 64 bits as the SDK takes it: it looks for the mark of `long` and writes these bytes. */
export const longOf = (value: bigint): Long => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(value)
  const long = { __isLong__: true, toBytesBE: () => [...bytes] }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the SDK exports no way to make one
  return long as never
}
