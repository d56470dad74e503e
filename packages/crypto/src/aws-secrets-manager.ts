/**
 * Keys in AWS Secrets Manager; needs `@aws-sdk/client-secrets-manager`.
 *
 * @since 0.1.0
 */
export * as KeyProviderAwsSecretsManager from "./KeyProviderAwsSecretsManager.ts"
