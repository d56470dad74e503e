/**
 * The second entry, `@queue-runtime/sqs-emulator/probes`, which needs `@aws-sdk/client-sqs`.
 *
 * @since 0.1.0
 */
export * as SqsProbes from "./SqsProbes.ts"
