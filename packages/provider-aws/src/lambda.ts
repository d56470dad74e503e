/**
 * Handlers of messages as AWS Lambda functions.
 *
 * @since 0.1.0
 */
export * as AwsLambda from "./AwsLambda.ts"
