/**
 * Blobs in a container of Azure Blob Storage; needs `@azure/storage-blob`.
 *
 * @since 0.1.0
 */
export * as AzureBlobStore from "./AzureBlobStore.ts"
