export * as ClaimCheck from "./ClaimCheck.ts"
export * as ClaimCheckConfig from "./ClaimCheckConfig.ts"
export * as FileBlobStore from "./FileBlobStore.ts"
export * as MemoryBlobStore from "./MemoryBlobStore.ts"
