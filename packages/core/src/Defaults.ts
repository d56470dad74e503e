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
 * Longest delay and longest time to live of a message: a thousand years. Counted from now it is still a
 * date (a `Date` ends with the year 275760), and what lies beyond is a mistake in the unit.
 *
 * @category message
 * @since 0.1.0
 */
export const messageDurationMax = Duration.days(365_000)

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
 * How long a retry goes on, waits and attempts together. SPEC R6.1. Not above the window in which SQS FIFO
 * deduplicates: a send repeated later would be a second one.
 *
 * @category retry
 * @since 0.1.0
 */
export const retryTotalMax = Duration.minutes(5)

/**
 * How long one attempt to send may take. SPEC R10.6.
 *
 * @category timeout
 * @since 0.1.0
 */
export const timeoutSend = Duration.seconds(10)

/**
 * How long one attempt of a call may take that neither sends nor waits for messages: what a send gets.
 *
 * @category timeout
 * @since 0.1.0
 */
export const timeoutCall = Duration.seconds(10)

/**
 * How long a receive or an accept may take beyond the wait it was told: its round trip.
 *
 * @category timeout
 * @since 0.1.0
 */
export const timeoutReceiveMargin = Duration.seconds(10)

/**
 * Transient failures in a row that open a circuit breaker. SPEC R6.2.
 *
 * @category breaker
 * @since 0.1.0
 */
export const breakerFailuresMax = 5

/**
 * How long an open breaker refuses calls before it lets a probe through. SPEC R6.2.
 *
 * @category breaker
 * @since 0.1.0
 */
export const breakerOpenDuration = Duration.seconds(30)

/**
 * Probes that must succeed before a breaker closes. SPEC R6.2.
 *
 * @category breaker
 * @since 0.1.0
 */
export const breakerSuccesses = 3

/**
 * Probes of one kind (calls, or waits for messages) at once: what is just getting up is not run over.
 *
 * @category breaker
 * @since 0.1.0
 */
export const breakerProbesMax = 1

/**
 * When to come back after being refused because the probes are under way: long for a probe, short for
 * whoever has to wait for it.
 *
 * @category breaker
 * @since 0.1.0
 */
export const breakerProbePause = Duration.seconds(2)

/**
 * Queues that have a breaker of their own in one layer; beyond it closed ones make room, and if none is
 * closed the newcomers share one.
 *
 * @category breaker
 * @since 0.1.0
 */
export const breakerQueuesMax = 1_000

/**
 * Changes of state that a slow observer of breakers may be behind before it misses the oldest.
 *
 * @category breaker
 * @since 0.1.0
 */
export const breakerChangesMax = 256

/**
 * Messages whose deliveries into an open circuit a worker remembers not to count; beyond it the oldest
 * are forgotten.
 *
 * @category breaker
 * @since 0.1.0
 */
export const breakerExcusedMax = 10_000

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
 * Calls of one method on one queue that batching keeps under way: ten of ten entries carry 100 callers at
 * once, and use a fifth of the sockets of one SQS client.
 *
 * @category batching
 * @since 0.1.0
 */
export const batchCallsMax = 10

/**
 * How long what does not fill a call waits while another one is under way: less than a round trip to a
 * cloud, and enough to make two half-empty calls one.
 *
 * @category batching
 * @since 0.1.0
 */
export const batchLinger = Duration.millis(5)

/**
 * Calls of one method on one queue that batching holds until they go out; who comes later waits in line
 * outside. At 5,000 a second that is 200 ms, what R13 allows a send to take.
 *
 * @category batching
 * @since 0.1.0
 */
export const batchWaitingMax = 1_000

/**
 * How long batching that is closed lets its last calls take. By then a worker has drained, and its drain
 * has used up most of the time between SIGTERM and SIGKILL.
 *
 * @category batching
 * @since 0.1.0
 */
export const batchCloseWait = Duration.seconds(2)

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

/**
 * Time to connect to SQS. SPEC R10.6.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsConnectTimeout = Duration.seconds(30)

/**
 * Time of one call to SQS, connecting included; a long poll has its wait on top. SPEC R10.6.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsRequestTimeout = Duration.seconds(10)

/**
 * Sockets of one SQS client: the SDK's own number, enough for ten queues with five pollers each.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsSocketsMax = 50

/**
 * How long SQS locks a delivery for us. SPEC R10.6.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsVisibilityTimeout = Duration.minutes(5)

/**
 * Longest lock of a delivery on SQS, from its receive on, renewals included: the service's limit.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsVisibilityTimeoutMax = Duration.hours(12)

/**
 * Largest message of SQS, in bytes: body and attributes, their names and types included.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsMessageSizeMax = 1_048_576

/**
 * Bytes of one send call of SQS: the service's limit.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsSendSizeMax = 1_048_576

/**
 * Entries of one call of SQS, whether it sends, receives or settles: the service's limit.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsBatchCountMax = 10

/**
 * Attributes of one SQS message: the service's limit. What does not fit is packed into one.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsAttributesMax = 10

/**
 * Longest wait of one receive call of SQS: the service's limit.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsReceiveWaitMax = Duration.seconds(20)

/**
 * Longest delay of a message on a standard queue: the service's limit.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsDelayMax = Duration.minutes(15)

/**
 * How long a FIFO queue remembers an id: the service's window.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsDeduplicationWindow = Duration.minutes(5)

/**
 * Receive calls under way on one queue: each brings ten messages a round trip at most.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsPollersMax = 5

/**
 * Message groups of one queue that this process holds: at ten messages a group a small part of the
 * 120,000 that may be in flight, and enough to find one group behind others (SQS.md §3).
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsGroupsMax = 64

/**
 * A redrive policy's maxReceiveCount is to exceed this many times our own maximum of deliveries: messages
 * behind a failing one are received, and counted, without a handler having seen them (SQS.md §1).
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsRedriveFactor = 10

/**
 * A message of a standard queue that nobody here has seen is put aside unseen when it was received more
 * than this many times our own maximum of deliveries: below, some receives may have been seen by nobody.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsDoubtFactor = 2

/**
 * How long after the start a queue is asked about again that could not be asked about then; twice as long
 * each time, up to {@link sqsLookPauseMax}.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsLookPause = Duration.seconds(1)

/**
 * Longest pause before a queue is asked about again.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsLookPauseMax = Duration.minutes(1)

/**
 * Origins of queues (one for each endpoint in use) that a client remembers how to call.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsOriginsMax = 16

/**
 * Messages in flight on one queue, about: what the service calls OverLimit.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsInFlightMax = 120_000

/**
 * Queues whose URL one client remembers, dead-letter queues included.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsQueuesMax = 1_000

/**
 * When to purge again after SQS said that a purge is in progress: the service allows one a minute.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsPurgeInterval = Duration.seconds(60)

/**
 * How long a scan for one session locks what it meets on its way: enough to keep it until the wait ends,
 * extended while it does, and soon over if this process dies.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsScanVisibility = Duration.seconds(10)

/**
 * How long a message group that was received along with others is kept when nobody waits for one.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsBufferIdle = Duration.millis(200)

/**
 * How long sessions of this process that are waited for by name are not polled for, after message groups
 * that nobody here took were given back: time for another process to take them.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsBufferRest = Duration.seconds(1)

/**
 * How often buffered message groups are looked after: given back, or their locks extended.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsBufferTick = Duration.millis(50)

/**
 * A message group that was buffered for longer than this is locked anew when it is accepted.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsBufferFresh = Duration.millis(50)

/**
 * Messages of a queue whose unseen receives are remembered, so that they are not shown as deliveries.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsCountsMax = 10_000

/**
 * How long a receive that got no answer may be asked for again: the service's window.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsAttemptWindow = Duration.minutes(5)

/**
 * What closing may take: giving back what is held, and what polls under way brought.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsCloseWait = Duration.seconds(5)

/**
 * How long a message group rests whose message could not be put among the dead letters.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsDeadLetterPause = Duration.seconds(10)

/**
 * Receipts kept before those whose locks ran out are looked for.
 *
 * @category sqs
 * @since 0.1.0
 */
export const sqsReceiptsSweep = 1_024

/**
 * How long a connection to Service Bus, its token and a link on it may take together. SPEC R10.6.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusConnectTimeout = Duration.seconds(30)

/**
 * How long one call to Service Bus on an open link may take. SPEC R10.6.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusRequestTimeout = Duration.seconds(10)

/**
 * Connections of one provider: one carries tens of thousands of messages a second.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusConnections = 1

/**
 * Connections of one provider at most: each has its own socket and token.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusConnectionsMax = 16

/**
 * Lock of one delivery, and of an accepted session, where the configuration does not say: the default
 * of a Service Bus queue.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusLockDuration = Duration.minutes(1)

/**
 * Shortest lock a Service Bus queue can have.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusLockDurationMin = Duration.seconds(5)

/**
 * Longest lock a Service Bus queue can have.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusLockDurationMax = Duration.minutes(5)

/**
 * Largest message of the Basic and Standard tiers, in bytes, and of one batch there.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusMessageSize = 262_144

/**
 * Largest message of a Premium queue that was not set to more, in bytes.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusPremiumMessageSize = 1_048_576

/**
 * Largest message that Premium can be set to, in bytes: 100 MB over AMQP.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusMessageSizeMax = 104_857_600

/**
 * Bytes of one batch on the wire at most, whatever the link allows: Premium takes messages of 100 MB
 * and says so for batches too, but refuses a batch over 1 MB.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusBatchSizeMax = 1_048_576

/**
 * Messages of one send call. They go out in as few batches as the link's size allows: of messages of
 * 1 KB the 256 KB of a batch hold about as many.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusSendCountMax = 200

/**
 * Messages of one receive call. A tenth of it would do for a worker; a bound is needed because a link
 * holds 2,048 deliveries at most.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusReceiveCountMax = 200

/**
 * Receipts of one settlement or renewal call.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusSettleCountMax = 200

/**
 * Messages of one peek, the limit of the service; more are asked for in several.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusPeekCountMax = 250

/**
 * Longest wait of one receive or accept call.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusReceiveWaitMax = Duration.seconds(30)

/**
 * Longest delay of an abandon. Service Bus has none, so the message is kept locked and renewed by this
 * process for as long; what ends the process ends the delay.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusAbandonDelayMax = Duration.hours(1)

/**
 * Messages kept locked for the delay of their abandon, all queues together: each is renewed.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusHoldsMax = 10_000

/**
 * Sends under way on one queue. The service grants a link about 1,000 credits, the SDK holds 2,048
 * unsettled transfers and sleeps a second when there is no room.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusSendsMax = 256

/**
 * Deliveries between the oldest unsettled one of a link and its newest. The AMQP library below stops a
 * link at 2,048; before that another link is opened and this one runs out.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusLinkSpreadMax = 1_800

/**
 * Links of one queue that are running out. One more closes the oldest of them, and what is unsettled on
 * it is settled by its lock token, which is slower.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusRetiredLinksMax = 16

/**
 * Queues, and dead-letter sub-queues, with open links. One more closes the links that were used least
 * recently.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusQueuesMax = 256

/**
 * Deliveries that were not settled and are remembered, all queues together. Beyond it those whose lock
 * ran out are forgotten, oldest first.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusDeliveriesMax = 50_000

/**
 * Times of first deliveries remembered, since Service Bus tells none.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusFirstDeliveriesMax = 50_000

/**
 * Lock renewals under way on one connection: each is a request of its own.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusRenewalsMax = 64

/**
 * How long a message that comes when nobody waits any more is kept for the next receiver of this process
 * before it is given back: giving it back counts a delivery.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusSpareHold = Duration.millis(250)

/**
 * How long one request for the next session stays with the service. The SDK cannot take it back, so
 * this is how long an interrupted accept may still be granted a session, which is released at once.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusAcceptSlice = Duration.seconds(5)

/**
 * The shortest request for the next session: what a wait of zero takes.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusAcceptSliceMin = Duration.millis(250)

/**
 * How long one receive of a session stays with the service before it is made again.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusSessionSlice = Duration.seconds(5)

/**
 * How long a receiver waits in vain before the watchdog looks whether there is a backlog.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusWatchdogInterval = Duration.minutes(1)

/**
 * Time between two rebuilds of a silent link: a backlog may be locked by others.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusRebuildInterval = Duration.minutes(5)

/**
 * Calls in a row that a connection leaves without an answer before it is made anew. One call may hang by
 * itself; when several do and none between them is answered, it is the connection.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusTimeoutsMax = 3

/**
 * How long closing a provider may take: giving back what it holds, then its links and connections.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusCloseWait = Duration.seconds(5)

/**
 * The part of `requestTimeout` that the service has to take an unused credit back on a queue without
 * sessions: then the link is closed, which loses nothing, and the next receive opens another. Small,
 * since a receive that brought something waits for it as well.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusDrainPart = 0.1

/**
 * The same part for a session, which is lost with its link: as long as still ends before the call does.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusSessionDrainPart = 0.5

/**
 * How long the service has to take back the credit of a receiver that waited for the next message: half of
 * what the end of a wait is waited for, so that it comes by itself.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusWaitDrain = Duration.millis(2_500)

/**
 * How long a throttled call waits where the service does not say: its own advice (50009).
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusThrottledWait = Duration.seconds(2)

/**
 * Bytes of application properties on the wire; the service takes 64 KB of headers in all. What is over
 * travels behind the body.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusPropertiesSizeMax = 49_152

/**
 * Bytes of one application property on the wire, the limit of the service being 32 KB.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusPropertySizeMax = 30_720

/**
 * How long after its sealing the broker may take a sealed message before it counts as replayed. SPEC R8.5.
 *
 * @category crypto
 * @since 0.1.0
 */
export const cryptoFreshness = Duration.minutes(5)

/**
 * How long a nonce is remembered. SPEC R8.5.
 *
 * @category crypto
 * @since 0.1.0
 */
export const cryptoNonceWindow = Duration.minutes(10)

/**
 * Nonces that the store in memory remembers; the oldest go first. About 150 bytes each.
 *
 * @category crypto
 * @since 0.1.0
 */
export const cryptoNoncesMax = 100_000

/**
 * How long a message whose key is not known is left alone before it is tried again: keys travel too.
 *
 * @category crypto
 * @since 0.1.0
 */
export const cryptoKeyMissingDelay = Duration.seconds(30)

/**
 * One warning of plaintext a queue in this time; the metric counts them all.
 *
 * @category crypto
 * @since 0.1.0
 */
export const cryptoWarningPause = Duration.minutes(1)

/**
 * Bytes of a key's id: it stands in every sealed body.
 *
 * @category crypto
 * @since 0.1.0
 */
export const cryptoKeyIdSizeMax = 64

/**
 * How long a key that came from a service is used before it is asked for again.
 *
 * @category crypto
 * @since 0.1.0
 */
export const cryptoKeyRefresh = Duration.minutes(5)

/**
 * How long a key that a service does not know, or a key service that is down, is not asked again: a
 * flood of bodies with invented keys must not become a flood of calls.
 *
 * @category crypto
 * @since 0.1.0
 */
export const cryptoKeyPause = Duration.seconds(10)

/**
 * How long one call to a service that holds keys may take, the retries of its SDK included.
 *
 * @category crypto
 * @since 0.1.0
 */
export const cryptoKeyTimeout = Duration.seconds(10)

/**
 * How long one data key of a key management service seals: at 1,000 messages a second a thousandth of
 * what one key may seal.
 *
 * @category crypto
 * @since 0.1.0
 */
export const cryptoDataKeyLifetime = Duration.hours(1)

/**
 * Bytes of a wrapped data key: those of AWS KMS have 184.
 *
 * @category crypto
 * @since 0.1.0
 */
export const cryptoWrappedSizeMax = 512

/**
 * Keys of a service that are held at once.
 *
 * @category crypto
 * @since 0.1.0
 */
export const cryptoKeysMax = 1_000

/**
 * How long the service may take to send what is there before a receive counts as empty and waits. What
 * comes first in a batch waits as long for the rest.
 *
 * @category service bus
 * @since 0.1.0
 */
export const serviceBusGatherWait = Duration.millis(20)

/**
 * Characters of a `tracestate` that is passed on: what the recommendation asks for at least.
 *
 * @category telemetry
 * @since 0.1.0
 */
export const traceStateLengthMax = 512

/**
 * Links of one span: the limit of OpenTelemetry's own SDKs.
 *
 * @category telemetry
 * @since 0.1.0
 */
export const telemetryLinksMax = 128

/**
 * Queues with series of their own in the metrics; a registry forgets none. Those beyond share one.
 *
 * @category telemetry
 * @since 0.1.0
 */
export const telemetryQueuesMax = 1_000

/**
 * Kinds of errors with series of their own in the metrics: an application may name as many as it likes.
 *
 * @category telemetry
 * @since 0.1.0
 */
export const telemetryErrorTypesMax = 100

/**
 * How often what a gauge shows is read again.
 *
 * @category telemetry
 * @since 0.1.0
 */
export const telemetryGaugeInterval = Duration.seconds(15)

/**
 * How long a probe of a queue may take: below what orchestrators wait for an answer, with room for more
 * than one queue.
 *
 * @category health
 * @since 0.1.0
 */
export const healthTimeout = Duration.seconds(2)

/**
 * How long the answer of a probe holds, whoever asks: orchestrators ask every ten seconds or so.
 *
 * @category health
 * @since 0.1.0
 */
export const healthFreshFor = Duration.seconds(5)

/**
 * How long the last call on a queue tells how it is: a long poll of any service ends within it.
 *
 * @category health
 * @since 0.1.0
 */
export const healthObservedFor = Duration.minutes(1)

/**
 * How long a claim of a message's record outlives its worker. Long against what the clocks of processes
 * differ by, short against the wait of a redelivery after a crash.
 *
 * @category idempotency
 * @since 0.1.0
 */
export const idempotencyLease = Duration.seconds(30)

/**
 * How long it is remembered that a message was handled: the longest that SQS keeps one.
 *
 * @category idempotency
 * @since 0.1.0
 */
export const idempotencyTimeToLive = Duration.days(14)

/**
 * How often a delivery that waits for another one of the same message looks again, at least.
 *
 * @category idempotency
 * @since 0.1.0
 */
export const idempotencyPause = Duration.seconds(1)

/**
 * Keys that the store in memory holds; of those that are done the oldest go first. About 200 bytes each.
 *
 * @category idempotency
 * @since 0.1.0
 */
export const idempotencyKeysMax = 100_000

/**
 * How long dead letters are kept before an explicit clean-up removes them. SPEC R7.4.
 *
 * @category dead letters
 * @since 0.1.0
 */
export const deadLetterRetention = Duration.days(30)

/**
 * Dead letters of a page, and those a listing asks for at a time.
 *
 * @category dead letters
 * @since 0.1.0
 */
export const deadLetterPageSize = 50

/**
 * How long a listing without peek waits for another dead letter before it takes it that there is none:
 * shorter polls of SQS ask a part of its servers.
 *
 * @category dead letters
 * @since 0.1.0
 */
export const deadLetterWait = Duration.seconds(1)

/**
 * Dead letters that a replay sends before it removes them: what a crash may duplicate.
 *
 * @category dead letters
 * @since 0.1.0
 */
export const deadLetterConcurrency = 100

/**
 * Dead letters held at a time by one listing, replay or purge. SQS has at most 120,000 in flight.
 *
 * @category dead letters
 * @since 0.1.0
 */
export const deadLettersHeldMax = 20_000

/**
 * The same in bytes of bodies and attributes: 256 MiB.
 *
 * @category dead letters
 * @since 0.1.0
 */
export const deadLettersHeldSizeMax = 268_435_456

/**
 * A replay or a purge takes what was put aside before it began, by the broker's clock, which may be so
 * much ahead.
 *
 * @category dead letters
 * @since 0.1.0
 */
export const deadLetterClockSkew = Duration.seconds(10)

/**
 * Dead-letterings that a message which was replayed carries as its history, the last ones: mostly a few
 * hundred bytes each, and about 2,000 characters at most.
 *
 * @category dead letters
 * @since 0.1.0
 */
export const deadLetterHistoryMax = 10

/**
 * Characters of a reason, of a description and of each word of the details in the history of a message.
 *
 * @category dead letters
 * @since 0.1.0
 */
export const deadLetterHistoryLengthMax = 256

/**
 * Reasons, and services, that statistics of dead letters tell apart.
 *
 * @category dead letters
 * @since 0.1.0
 */
export const deadLetterGroupsMax = 100

/**
 * Hours that statistics of dead letters count, the newest: 31 days.
 *
 * @category dead letters
 * @since 0.1.0
 */
export const deadLetterHoursMax = 744

/**
 * Characters of what an application adds to its dead letters: each of service, version, environment and
 * a tag's name and value.
 *
 * @category dead letters
 * @since 0.1.0
 */
export const deadLetterDetailLengthMax = 256

/**
 * Tags that an application adds to its dead letters.
 *
 * @category dead letters
 * @since 0.1.0
 */
export const deadLetterTagsMax = 16

/**
 * Characters of a stack trace on a dead letter: enough for its top, small beside what brokers take.
 *
 * @category dead letters
 * @since 0.1.0
 */
export const deadLetterStackLengthMax = 4_096

/**
 * Messages that are looked at to count a queue, and as many dead letters: their bodies come along, and a
 * dashboard asks every few seconds.
 *
 * @category statistics
 * @since 0.1.0
 */
export const statisticsMessagesMax = 1_000

/**
 * Messages of one such look: what one call to Service Bus shows.
 *
 * @category statistics
 * @since 0.1.0
 */
export const statisticsPageMax = 250

/**
 * Largest body that a blob store takes: above what any of ours sends, and little enough to be held in
 * memory a few times over.
 *
 * @category blobs
 * @since 0.1.0
 */
export const blobSizeMax = 104_857_600

/**
 * Characters of a blob's key: what Azure Blob and S3 take, with room for a prefix of the store's own.
 *
 * @category blobs
 * @since 0.1.0
 */
export const blobKeyLengthMax = 512

/**
 * Characters of one segment of a blob's key: with each of them escaped still a name of a file.
 *
 * @category blobs
 * @since 0.1.0
 */
export const blobKeySegmentLengthMax = 120

/**
 * Entries of metadata of one blob.
 *
 * @category blobs
 * @since 0.1.0
 */
export const blobMetadataMax = 16

/**
 * Characters of one value of a blob's metadata: with 16 of them and their names below the 2 KB of S3.
 *
 * @category blobs
 * @since 0.1.0
 */
export const blobMetadataLengthMax = 128

/**
 * Blobs on one page of a listing: what S3 shows in one call.
 *
 * @category blobs
 * @since 0.1.0
 */
export const blobPageSize = 1_000

/**
 * How long one call to a blob store may take: 25 MB over a slow line.
 *
 * @category blobs
 * @since 0.1.0
 */
export const blobTimeout = Duration.seconds(30)

/**
 * Blobs and their bytes held by the store in memory.
 *
 * @category blobs
 * @since 0.1.0
 */
export const blobsMax = 10_000

/**
 * Bytes held by the store in memory: ten bodies of the largest size.
 *
 * @category blobs
 * @since 0.1.0
 */
export const blobBytesMax = 268_435_456

/**
 * How old a file must be that was begun and never finished, before the store removes it: its writer is
 * gone by then.
 *
 * @category blobs
 * @since 0.1.0
 */
export const blobUnfinishedAge = Duration.hours(1)

/**
 * Largest body that goes through a claim check: what GitHub sends at most.
 *
 * @category claim check
 * @since 0.1.0
 */
export const claimCheckBodySizeMax = 26_214_400

/**
 * What a message with such a body may have besides: ids, attributes, and what sealing adds.
 *
 * @category claim check
 * @since 0.1.0
 */
export const claimCheckEnvelopeSizeMax = 65_536

/**
 * Blobs put or got side by side by one call: bodies are held in memory while they travel.
 *
 * @category claim check
 * @since 0.1.0
 */
export const claimCheckConcurrency = 4

/**
 * Bytes of bodies that one peek brings out of the store; the rest is peeked by the next.
 *
 * @category claim check
 * @since 0.1.0
 */
export const claimCheckPeekSizeMax = 67_108_864

/**
 * How long a message that could not be claimed now is held back, where the queue can.
 *
 * @category claim check
 * @since 0.1.0
 */
export const claimCheckRetryDelay = Duration.seconds(10)

/**
 * How long a blob may be needed: 14 days in a queue, as SQS keeps a message at most, and then 30 as a dead
 * letter. Younger ones are not swept.
 *
 * @category claim check
 * @since 0.1.0
 */
export const claimCheckRetention = Duration.days(44)

/**
 * How long a session's lease outlives the last word of its holder: long against a slow call or a pause of
 * the collector, and short for those who wait for a killed process's sessions.
 *
 * @category session store
 * @since 0.1.0
 */
export const sessionLeaseDuration = Duration.seconds(30)

/**
 * How long a session that came along and is held elsewhere is kept from being received again at first, so
 * that its holder gets it; twice as long each time it comes again.
 *
 * @category session store
 * @since 0.1.0
 */
export const sessionLeaseAside = Duration.millis(50)

/**
 * The longest of these times: a holder that waits for its message waits no longer, and a dead one's
 * session costs a receive in so long.
 *
 * @category session store
 * @since 0.1.0
 */
export const sessionLeaseAsideMax = Duration.seconds(5)

/**
 * Sessions kept aside at once in this way; beyond it they go back to the broker at once.
 *
 * @category session store
 * @since 0.1.0
 */
export const sessionLeasesAsideMax = 100

/**
 * How long an accept by id waits, within its own wait, for a session that its provider is giving back to a
 * broker at this moment: what comes along while a lease is asked for goes back meanwhile.
 *
 * @category session store
 * @since 0.1.0
 */
export const sessionLeaseReturnWait = Duration.seconds(1)

/**
 * Deliveries of one session whose fencing token is known; beyond it the oldest are forgotten. More than
 * any worker has in hand.
 *
 * @category session store
 * @since 0.1.0
 */
export const sessionLeaseDeliveriesMax = 1_000

/**
 * How long one call to a store of sessions may take: less than a renewal has time for.
 *
 * @category session store
 * @since 0.1.0
 */
export const sessionStoreTimeout = Duration.seconds(5)

/**
 * Largest session state, in bytes: that of Service Bus Standard, and well below an item of DynamoDB.
 *
 * @category session store
 * @since 0.1.0
 */
export const sessionStoreStateSizeMax = 262_144

/**
 * Sessions the store in memory holds: those that are leased or have a state.
 *
 * @category session store
 * @since 0.1.0
 */
export const sessionStoreSessionsMax = 100_000

/**
 * Bytes of state the store in memory holds.
 *
 * @category session store
 * @since 0.1.0
 */
export const sessionStoreBytesMax = 256 * 1024 * 1024

/**
 * Leases of others that a client of DynamoDB has seen and waits to run out; beyond it the oldest are
 * forgotten, and waited for anew.
 *
 * @category session store
 * @since 0.1.0
 */
export const sessionStoreObservedMax = 10_000

/**
 * How long DynamoDB keeps a session that nobody touched, its state and its last token. Clocks that differ
 * by less do no harm to the order of tokens.
 *
 * @category session store
 * @since 0.1.0
 */
export const sessionStoreRetention = Duration.days(30)

/**
 * How long before the time of a host (AWS Lambda, Azure Functions) is over its handlers are interrupted:
 * half of it for the last settlements, half for giving back the rest and for the answer.
 *
 * @category pushed batches
 * @since 0.1.0
 */
export const pushedMargin = Duration.seconds(2)

/**
 * How long a function of Azure may take for one call: what the host allows by default on a Consumption
 * plan (`functionTimeout`), and how long it renews locks (`maxAutoLockRenewalDuration`).
 *
 * @category pushed batches
 * @since 0.1.0
 */
export const functionsTimeout = Duration.minutes(5)

/**
 * Seeds that a simulation tries.
 *
 * @category simulation
 * @since 0.1.0
 */
export const simulationSeeds = 100

/**
 * Tasks that one instant of a simulation may take: beyond them somebody spins.
 *
 * @category simulation
 * @since 0.1.0
 */
export const simulationInstantMax = 200_000

/**
 * How often a process of a simulation tries a send, or an operator an operation: a broker that is away
 * for longer is not simulated.
 *
 * @category simulation
 * @since 0.1.0
 */
export const simulationTriesMax = 1_000

/**
 * Receives that bring nothing, in one second of one process and with nothing between: more are a busy loop.
 *
 * @category simulation
 * @since 0.1.0
 */
export const simulationIdlePollsMax = 200

/**
 * Messages that are looked at when a run is over.
 *
 * @category simulation
 * @since 0.1.0
 */
export const simulationLeftMax = 100_000

/**
 * Runs that the shrinking of one failure may cost.
 *
 * @category simulation
 * @since 0.1.0
 */
export const simulationShrinksMax = 300

/**
 * Steps that a story shows: the last ones of a longer one.
 *
 * @category simulation
 * @since 0.1.0
 */
export const simulationStepsMax = 60
