/**
 * Every default and every bound of the library in one place, with its unit and its reason.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"

/**
 * How long a receive waits for the first message. SPEC R10.6.
 *
 * @category receiving
 * @since 0.1.0
 */
export const receiveWait = Duration.seconds(30)

/**
 * Deliveries of one message before it is dead-lettered. SPEC R3.6.
 *
 * @category worker
 * @since 0.1.0
 */
export const deliveriesMax = 5

/**
 * Handlers at work side by side in one worker, or sessions in one session worker.
 *
 * @category worker
 * @since 0.1.0
 */
export const concurrency = 10

/**
 * Time limit of one handler: what SQS holds a message by default in our configuration (R10.6).
 *
 * @category worker
 * @since 0.1.0
 */
export const handlerTimeout = Duration.minutes(5)

/**
 * How long one delivery's lock is renewed at most. Above the handler's limit, so that the limit is what
 * ends a slow handler and the lock still holds while it is settled.
 *
 * @category worker
 * @since 0.1.0
 */
export const lockRenewalMax = Duration.minutes(10)

/**
 * A lock is renewed when this part of it is left: there is time for more than one try.
 *
 * @category worker
 * @since 0.1.0
 */
export const lockRenewalPart = 0.5

/**
 * A lock counts as lost this long before it ends, a short one by a tenth of what is left: clocks differ,
 * and its holder has to stop first.
 *
 * @category worker
 * @since 0.1.0
 */
export const lockMargin = Duration.millis(250)

/**
 * How long running handlers may go on after the worker was told to end: the usual time between SIGTERM
 * and SIGKILL is 30 s, and the settlements need some of it.
 *
 * @category worker
 * @since 0.1.0
 */
export const gracePeriod = Duration.seconds(20)

/**
 * How long an interrupted handler may take to stop before its message is settled without it.
 *
 * @category worker
 * @since 0.1.0
 */
export const interruptionWait = Duration.seconds(5)

/**
 * How long the last settlements of a draining worker may take after the grace period, the interruption
 * of the handlers included.
 *
 * @category worker
 * @since 0.1.0
 */
export const releaseWait = Duration.seconds(10)

/**
 * Tries of one settlement that fails transiently; between them the retry delays below. The lock bounds
 * them too.
 *
 * @category worker
 * @since 0.1.0
 */
export const settleAttempts = 5

/**
 * Characters of a dead letter's description: the limit of Service Bus is 4,096.
 *
 * @category worker
 * @since 0.1.0
 */
export const deadLetterDescriptionLengthMax = 4_096

/**
 * First delay of a retry, and of a redelivery. SPEC R6.1.
 *
 * @category retry
 * @since 0.1.0
 */
export const retryDelay = Duration.seconds(1)

/**
 * Factor of an exponential delay. SPEC R6.1.
 *
 * @category retry
 * @since 0.1.0
 */
export const retryFactor = 2

/**
 * Longest delay of a retry. SPEC R6.1.
 *
 * @category retry
 * @since 0.1.0
 */
export const retryDelayMax = Duration.seconds(30)

/**
 * Jitter: a delay is multiplied by a random factor of 1 ± this. SPEC R6.1.
 *
 * @category retry
 * @since 0.1.0
 */
export const retryJitter = 0.2

/**
 * Tries of a call, the first included. SPEC R6.1.
 *
 * @category retry
 * @since 0.1.0
 */
export const retryAttempts = 3

/**
 * A receive that came back empty in less than this did not wait: a broker that ends polls early must
 * not make a worker spin.
 *
 * @category worker
 * @since 0.1.0
 */
export const idlePause = Duration.millis(100)

/**
 * A session with no message for this long is given up for another one.
 *
 * @category sessions
 * @since 0.1.0
 */
export const sessionIdle = Duration.seconds(5)

/**
 * Messages of one session received at once: the batch of SQS.
 *
 * @category sessions
 * @since 0.1.0
 */
export const sessionPrefetch = 10

/**
 * Messages of one session before others get their turn, when others wait.
 *
 * @category sessions
 * @since 0.1.0
 */
export const sessionMessagesMax = 1_000

/**
 * Time with one session before others get their turn, when others wait.
 *
 * @category sessions
 * @since 0.1.0
 */
export const sessionDurationMax = Duration.minutes(5)

/**
 * Sessions a worker keeps while their failed message backs off, beside those it works on: each may cost
 * a link. Beyond it the session is given up.
 *
 * @category sessions
 * @since 0.1.0
 */
export const sessionsParkedMax = 100

/**
 * Sessions the lifecycle manager and the affinity hint remember.
 *
 * @category sessions
 * @since 0.1.0
 */
export const sessionsTrackedMax = 10_000

/**
 * Messages the memory provider holds, all queues and their dead letters together.
 *
 * @category memory
 * @since 0.1.0
 */
export const memoryMessagesMax = 100_000

/**
 * Bytes of message bodies and attributes the memory provider holds.
 *
 * @category memory
 * @since 0.1.0
 */
export const memoryBytesMax = 256 * 1024 * 1024

/**
 * Message ids the memory provider remembers for deduplication.
 *
 * @category memory
 * @since 0.1.0
 */
export const memoryDeduplicationIdsMax = 1_000_000

/**
 * Sessions the memory provider holds, idle ones with state included.
 *
 * @category memory
 * @since 0.1.0
 */
export const memorySessionsMax = 100_000

/**
 * Largest message of the memory provider, in bytes: the limit of SQS.
 *
 * @category memory
 * @since 0.1.0
 */
export const memoryMessageSizeMax = 1_048_576

/**
 * Largest session state of the memory provider, in bytes: the limit of Service Bus Standard.
 *
 * @category memory
 * @since 0.1.0
 */
export const memorySessionStateSizeMax = 262_144

/**
 * Lock of one delivery, and of an accepted session, on the memory provider: the default visibility of
 * an SQS queue.
 *
 * @category memory
 * @since 0.1.0
 */
export const memoryLockDuration = Duration.seconds(30)

/**
 * How long the memory provider remembers a message id: the window of SQS FIFO.
 *
 * @category memory
 * @since 0.1.0
 */
export const memoryDeduplicationWindow = Duration.minutes(5)

/**
 * Messages of one send call of the memory provider: a batch a person would still call one.
 *
 * @category memory
 * @since 0.1.0
 */
export const memorySendCountMax = 1_000

/**
 * Bytes of one send call of the memory provider, unless it holds less in all.
 *
 * @category memory
 * @since 0.1.0
 */
export const memorySendSizeMax = 64 * 1024 * 1024

/**
 * Messages of one receive call of the memory provider.
 *
 * @category memory
 * @since 0.1.0
 */
export const memoryReceiveCountMax = 1_000

/**
 * Receipts of one settlement or renewal call of the memory provider.
 *
 * @category memory
 * @since 0.1.0
 */
export const memorySettleCountMax = 1_000

/**
 * Longest wait of one receive or accept call of the memory provider: an alarm is never set further off,
 * whatever the timers of the platform can do.
 *
 * @category memory
 * @since 0.1.0
 */
export const memoryReceiveWaitMax = Duration.hours(1)
