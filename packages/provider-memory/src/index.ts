export * as MemoryClient from "./MemoryClient.ts"
export * as MemoryConfig from "./MemoryConfig.ts"
export * as MemoryProvider from "./MemoryProvider.ts"
