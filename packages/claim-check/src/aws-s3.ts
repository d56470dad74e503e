/**
 * Blobs in an S3 bucket; needs `@aws-sdk/client-s3`.
 *
 * @since 0.1.0
 */
export * as S3BlobStore from "./S3BlobStore.ts"
