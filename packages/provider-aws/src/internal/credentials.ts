import type { SQSClientConfig } from "@aws-sdk/client-sqs"
import {
  fromHttp,
  fromIni,
  fromInstanceMetadata,
  fromNodeProviderChain,
  fromTemporaryCredentials,
  fromTokenFile
} from "@aws-sdk/credential-providers"
import * as Redacted from "effect/Redacted"
import { Options } from "@queue-runtime/core"
import type * as AwsConfig from "../AwsConfig.ts"
import { silent } from "./transport.ts"

type Provider = NonNullable<SQSClientConfig["credentials"]>

/** What a call to STS for a role goes by: our region, proxy and sockets. */
export interface Caller {
  readonly region: string | undefined
  readonly requestHandler: NonNullable<SQSClientConfig["requestHandler"]>
}

type Source = AwsConfig.SourceCredentials

const keys = (source: Extract<Source, { readonly _tag: "Keys" }>) => ({
  accessKeyId: source.accessKeyId,
  secretAccessKey: Redacted.value(source.secretAccessKey),
  ...(source.sessionToken === undefined
    ? {}
    : { sessionToken: Redacted.value(source.sessionToken) })
})

const clientConfig = ({ region, requestHandler }: Caller) => ({
  requestHandler,
  logger: silent,
  ...Options.defined({ region })
})

const webIdentity = (
  { roleArn, sessionName, tokenFile }: Extract<Source, { readonly _tag: "WebIdentity" }>,
  caller: Caller
): Provider =>
  fromTokenFile({
    clientConfig: clientConfig(caller),
    ...Options.defined({ webIdentityTokenFile: tokenFile, roleArn, roleSessionName: sessionName })
  })

const ofSource = (source: Source, caller: Caller): Provider => {
  switch (source._tag) {
    case "Default":
      return fromNodeProviderChain({ clientConfig: clientConfig(caller) })
    case "Profile":
      // Read again whenever they are asked for: a tool may have written new ones.
      return fromIni({
        profile: source.profile,
        ignoreCache: true,
        clientConfig: clientConfig(caller)
      })
    case "Keys":
      return keys(source)
    case "WebIdentity":
      return webIdentity(source, caller)
    case "Container":
      // Its own retries take seconds of a call's time; ours decide.
      return fromHttp({ maxRetries: 0, logger: silent })
    case "Instance":
      return fromInstanceMetadata()
  }
}

/** The SDK's own providers; the client caches what they give and asks again before it expires. */
export const make = (credentials: AwsConfig.Credentials, caller: Caller): Provider => {
  if (credentials._tag !== "AssumeRole") return ofSource(credentials, caller)
  const { externalId, roleArn, sessionName, source } = credentials
  return fromTemporaryCredentials({
    params: {
      RoleArn: roleArn,
      ...Options.defined({ RoleSessionName: sessionName, ExternalId: externalId })
    },
    masterCredentials: ofSource(source, caller),
    clientConfig: clientConfig(caller)
  })
}
