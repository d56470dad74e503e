export * as AwsClient from "./AwsClient.ts"
export * as AwsConfig from "./AwsConfig.ts"
export * as AwsProvider from "./AwsProvider.ts"
