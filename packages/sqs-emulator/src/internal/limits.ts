/** Every bound and default of the service, with its unit. */

/** Entries of one batch call. */
export const entriesMax = 10

/** Bytes of a message, body and attributes together, and of all entries of a batch. */
export const messageBytesMax = 1_048_576

/** Message attributes of one message. */
export const attributesMax = 10

/** Characters of an attribute's name. */
export const attributeNameLengthMax = 256

/** Messages of one receive. */
export const receiveMax = 10

export const waitSecondsMax = 20

export const delaySecondsMax = 900

/** Also the longest that a message is held from its receive on, all extensions together. */
export const visibilitySecondsMax = 43_200

/** How long a deduplication id or a receive attempt id is remembered. */
export const windowMillis = 5 * 60_000

/** Messages in flight in one queue. */
export const inFlightMax = 120_000

/** Between two purges, and between the end of a queue and a new one of its name. */
export const quietMillis = 60_000

/** Queues or tasks of one page of a listing. */
export const pageMax = 1_000

export const tagsMax = 50

/** Tasks one queue's listing remembers. */
export const tasksMax = 10

export const tasksPerSecondMax = 500
