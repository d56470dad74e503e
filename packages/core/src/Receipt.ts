/**
 * The proof of one delivery. It settles that delivery once; afterwards, and after its lock ran out, it
 * settles nothing (`ReceiptExpired`).
 *
 * @since 0.1.0
 */
import type * as QueueAddress from "./QueueAddress.ts"

/**
 * Opaque to applications: a provider puts into `token` whatever finds the delivery again. It is valid in
 * the process, and for the provider, that received the message.
 *
 * @category models
 * @since 0.1.0
 */
export interface Receipt {
  readonly address: QueueAddress.QueueAddress
  readonly token: string
}

/**
 * For providers: the receipt of a delivery.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (address: QueueAddress.QueueAddress, token: string): Receipt => ({
  address,
  token
})
