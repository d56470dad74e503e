export * as AzureClient from "./AzureClient.ts"
export * as AzureConfig from "./AzureConfig.ts"
export * as AzureProvider from "./AzureProvider.ts"
