/**
 * What an emulator shows of its inside, for tests to look at.
 *
 * @since 0.1.0
 */

/**
 * Where one message is.
 *
 * @category models
 * @since 0.1.0
 */
export interface Message {
  readonly sequenceNumber: number
  readonly messageId: string | undefined
  readonly sessionId: string | undefined
  readonly state: "Ready" | "Locked" | "Scheduled" | "Deferred" | "LockedDeferred"
  /** Deliveries that failed so far. */
  readonly deliveryCount: number
  readonly enqueuedAt: number
  /** Milliseconds since 1970; absent without a lock. */
  readonly lockedUntil: number | undefined
}

/**
 * One session with its holder.
 *
 * @category models
 * @since 0.1.0
 */
export interface Session {
  readonly sessionId: string
  readonly messages: number
  readonly hasState: boolean
  /** Connection and link; absent when nobody has it. */
  readonly holder: string | undefined
  /** Milliseconds since 1970; absent when nobody has it. */
  readonly lockedUntil: number | undefined
}

/**
 * What one queue holds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Queue {
  readonly active: number
  readonly locked: number
  readonly scheduled: number
  /** Deferred ones, those that were received again included. */
  readonly deferred: number
  readonly deadLettered: number
  readonly bytes: number
  readonly messages: ReadonlyArray<Message>
  readonly deadLetters: ReadonlyArray<Message>
  readonly sessions: ReadonlyArray<Session>
  /** Receivers that wait for the next free session. */
  readonly waiting: number
}

/**
 * One link, as the emulator sees it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Link {
  readonly name: string
  readonly address: string
  /** Of the client. */
  readonly role: "sender" | "receiver"
  /** Messages it would still take; 0 for a sender. */
  readonly credit: number
}

/**
 * One connection with its links.
 *
 * @category models
 * @since 0.1.0
 */
export interface Connection {
  readonly id: number
  readonly containerId: string
  readonly links: ReadonlyArray<Link>
}

/**
 * How one delivery was settled.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settlement {
  readonly queue: string
  readonly messageId: string | undefined
  readonly sequenceNumber: number
  /** Deliveries that had failed before this one. */
  readonly deliveryCount: number
  readonly outcome: "Complete" | "Abandon" | "Defer" | "Release" | "DeadLetter"
  /** The condition it was refused with; absent when it took effect. */
  readonly refused: string | undefined
}
