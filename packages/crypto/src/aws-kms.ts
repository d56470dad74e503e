/**
 * Data keys of AWS KMS; needs `@aws-sdk/client-kms`.
 *
 * @since 0.1.0
 */
export * as KeyProviderAwsKms from "./KeyProviderAwsKms.ts"
