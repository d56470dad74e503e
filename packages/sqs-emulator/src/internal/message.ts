import type { Attributes } from "./attributes.ts"
import type { Group } from "./group.ts"
import type { Linked, List } from "./list.ts"
import type { Wakeable } from "./queue.ts"
import type { Target, Timer } from "./timers.ts"

/** What was sent: it stays the same when the message moves to another queue. */
export interface Content {
  readonly id: string
  readonly body: string
  readonly bodyMd5: string
  readonly attributes: Attributes
  readonly system: Attributes
  readonly groupId: string | undefined
  readonly deduplicationId: string | undefined
  /** Milliseconds of the clock, as everything that ends in `At`. */
  readonly sentAt: number
}

export type State = "Delayed" | "Visible" | "InFlight" | "Gone"

/** A message in one queue. Moved to another one, it is a new one with the same content. */
export class Message implements Linked<Message>, Target<Wakeable> {
  readonly _tag = "Message"
  previous: Message | undefined
  next: Message | undefined
  list: List<Message> | undefined
  timer: Timer<Wakeable> | undefined
  readonly content: Content
  /** Part of its receipt handles. */
  readonly uid: number
  /** Its place in a standard queue; a reordering fault gives it another. */
  order: number
  readonly sequenceNumber: string | undefined
  /** What its retention counts from. */
  readonly enqueuedAt: number
  readonly group: Group | undefined
  /** The queue it was moved from. */
  readonly sourceArn: string | undefined
  state: State = "Gone"
  /** The end of its delay or of its visibility timeout. */
  visibleAt: number
  /** Receives in the queue it was moved from, which count for the reader but not for this queue. */
  readonly receivesBefore: number
  /** Receives in this queue. */
  receiveCount = 0
  firstReceivedAt: number | undefined
  receivedAt = 0
  /** Which receive the newest handle is of. */
  generation = 0
  /** How often its visibility was changed: a repeated receive attempt must find none. */
  changes = 0

  constructor(options: {
    readonly content: Content
    readonly uid: number
    readonly sequenceNumber: string | undefined
    readonly enqueuedAt: number
    readonly visibleAt: number
    readonly group: Group | undefined
    readonly sourceArn?: string | undefined
    readonly receivesBefore?: number
    readonly firstReceivedAt?: number | undefined
  }) {
    this.content = options.content
    this.uid = options.uid
    this.order = options.uid
    this.sequenceNumber = options.sequenceNumber
    this.enqueuedAt = options.enqueuedAt
    this.visibleAt = options.visibleAt
    this.group = options.group
    this.sourceArn = options.sourceArn
    this.receivesBefore = options.receivesBefore ?? 0
    this.firstReceivedAt = options.firstReceivedAt
  }
}
