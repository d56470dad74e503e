export * as SessionLeases from "./SessionLeases.ts"
export * as SessionStoreMemory from "./SessionStoreMemory.ts"
