/**
 * Keys in Azure Key Vault; needs `@azure/keyvault-secrets`.
 *
 * @since 0.1.0
 */
export * as KeyProviderAzureKeyVault from "./KeyProviderAzureKeyVault.ts"
