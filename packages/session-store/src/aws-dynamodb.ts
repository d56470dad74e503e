/**
 * Leases and session state in a table of DynamoDB; needs `@aws-sdk/client-dynamodb`.
 *
 * @since 0.1.0
 */
export * as SessionStoreDynamoDb from "./SessionStoreDynamoDb.ts"
