/**
 * Least-privilege policies, checked against what the sources call.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Lexer from "./lexer.ts"
import type * as Repository from "./repository.ts"

const Several = Schema.Union([Schema.String, Schema.Array(Schema.String)])

/**
 * A policy of AWS, as far as these use it: what is allowed, and on what.
 *
 * @category models
 * @since 0.1.0
 */
export const AwsPolicy = Schema.Struct({
  Version: Schema.Literal("2012-10-17"),
  Statement: Schema.Array(
    Schema.Struct({
      Sid: Schema.String,
      Effect: Schema.Literal("Allow"),
      Action: Schema.Array(Schema.String),
      Resource: Several,
      Condition: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown))
    })
  )
})

/**
 * A role of Azure.
 *
 * @category models
 * @since 0.1.0
 */
export const AzureRole = Schema.Struct({
  Name: Schema.String,
  IsCustom: Schema.Literal(true),
  Description: Schema.String,
  Actions: Schema.Array(Schema.String),
  NotActions: Schema.Array(Schema.String),
  DataActions: Schema.Array(Schema.String),
  NotDataActions: Schema.Array(Schema.String),
  AssignableScopes: Schema.Array(Schema.String)
})

/** What an action is called where the policy's name is not that of the call. */
const renamed: Readonly<Record<string, ReadonlyArray<string>>> = {
  // Made to learn how the SDK calls itself; its transport sends nothing.
  "sqs:ListQueues": [],
  "s3:HeadObject": ["s3:GetObject"],
  "s3:HeadBucket": ["s3:ListBucket"],
  "s3:ListObjects": ["s3:ListBucket"],
  "s3:ListObjectsV2": ["s3:ListBucket"],
  "s3:DeleteObjects": ["s3:DeleteObject"],
  "s3:CreateMultipartUpload": ["s3:PutObject"],
  "s3:UploadPart": ["s3:PutObject"],
  "s3:CompleteMultipartUpload": ["s3:PutObject"]
}

/** The service of a client's package: that of `@aws-sdk/client-secrets-manager` has no hyphen. */
const serviceOf = (client: string): string => client.replaceAll("-", "")

const actionOf = (service: string, command: string): ReadonlyArray<string> => {
  const call = `${service}:${command}`
  return renamed[call] ?? [call.replace(/Batch$/u, "")]
}

const withoutComments = (text: string): string => {
  let rest = text
  for (const { end, start, text: comment } of Lexer.comments(text)) {
    rest = rest.slice(0, start) + comment.replaceAll(/[^\n]/gu, " ") + rest.slice(end)
  }
  return rest
}

const imported =
  /import\s*\{([^}]*)\}\s*from\s*"@aws-sdk\/(client-([a-z0-9-]+)|credential-providers)"/gu

/** Those of the SDK's credentials that call a service by themselves, with rights of their own. */
const byCredentials: Readonly<Record<string, string>> = {
  fromTemporaryCredentials: "sts:AssumeRole"
}

/**
 * The actions that a source needs, by the commands of the AWS SDK that it imports.
 *
 * @category finding
 * @since 0.1.0
 */
export const actionsOf = ({ text }: Repository.Source): ReadonlyArray<string> =>
  [...withoutComments(text).matchAll(imported)].flatMap(([, names = "", , client]) =>
    names
      .split(",")
      .map((name) => name.trim().split(/\s+as\s+/u)[0] ?? "")
      .flatMap((name) => {
        if (client === undefined) return byCredentials[name] ?? []
        const command = /^([A-Z]\w+)Command$/u.exec(name)?.[1]
        return command === undefined ? [] : actionOf(serviceOf(client), command)
      })
  )

/**
 * What policies and calls differ in: an action that no policy allows, and one that is allowed and that
 * nothing calls.
 *
 * @category finding
 * @since 0.1.0
 */
export const differences = (
  allowed: ReadonlyArray<string>,
  called: ReadonlyArray<string>
): ReadonlyArray<string> => {
  const all = [...new Set([...allowed, ...called])].toSorted()
  return all.flatMap((action) => {
    if (!allowed.includes(action)) return [`${action} is called, and no policy allows it`]
    return called.includes(action) ? [] : [`${action} is allowed, and nothing calls it`]
  })
}

/**
 * What is too wide in a policy.
 *
 * @category finding
 * @since 0.1.0
 */
export const excesses = ({ Statement }: typeof AwsPolicy.Type): ReadonlyArray<string> =>
  Statement.flatMap(({ Action, Resource, Sid }) => [
    ...Action.filter((action) => !/^[a-z0-9]+:[A-Za-z]+$/u.test(action)).map(
      (action) => `${Sid} allows ${action}`
    ),
    ...[Resource]
      .flat()
      .filter((resource) => !/^arn:aws:[a-z0-9]+:[^:]*:[^:]*:[^*]+(?:\/\*)?$/u.test(resource))
      .map((resource) => `${Sid} is for ${resource}`)
  ])
