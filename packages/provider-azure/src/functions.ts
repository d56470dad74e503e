/**
 * Handlers of messages as Azure Functions.
 *
 * @since 0.1.0
 */
export * as AzureFunctions from "./AzureFunctions.ts"
