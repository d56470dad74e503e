export * as SqliteClient from "./SqliteClient.ts"
export * as SqliteConfig from "./SqliteConfig.ts"
export * as SqliteProvider from "./SqliteProvider.ts"
