import {
  ClientSecretCredential,
  DefaultAzureCredential,
  ManagedIdentityCredential,
  type TokenCredential,
  WorkloadIdentityCredential
} from "@azure/identity"
import * as Redacted from "effect/Redacted"
import { Options } from "@queue-runtime/core"
import type * as AzureConfig from "../AzureConfig.ts"

/** The credential of the SDK: it fetches tokens when they are asked for, and again before they expire. */
export const make = (credentials: AzureConfig.Credentials): TokenCredential => {
  switch (credentials._tag) {
    case "Default":
      return new DefaultAzureCredential()
    case "ManagedIdentity":
      return credentials.clientId === undefined
        ? new ManagedIdentityCredential()
        : new ManagedIdentityCredential({ clientId: credentials.clientId })
    case "ClientSecret":
      return new ClientSecretCredential(
        credentials.tenantId,
        credentials.clientId,
        Redacted.value(credentials.clientSecret)
      )
    case "WorkloadIdentity":
      return new WorkloadIdentityCredential(
        Options.defined({
          tenantId: credentials.tenantId,
          clientId: credentials.clientId,
          tokenFilePath: credentials.tokenFile
        })
      )
    case "Token":
      return credentials.credential
  }
}
