/**
 * queue-runtime without Effect: promises over the same stack.
 *
 * @since 0.1.0
 */
export * as Consumer from "./Consumer.ts"
export * as DeadLetters from "./DeadLetters.ts"
export * as Delivery from "./Delivery.ts"
export * as Queue from "./Queue.ts"
export * as Queues from "./Queues.ts"
export * as Session from "./Session.ts"
/** Errors, and what a handler throws to have a message put aside, as of `@queue-runtime/core`. */
export { HandlerFailure, QueueError } from "@queue-runtime/core"
