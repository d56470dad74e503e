export * as SessionLeases from "./SessionLeases.ts"
export * as SessionLeasesConfig from "./SessionLeasesConfig.ts"
export * as SessionStoreMemory from "./SessionStoreMemory.ts"
