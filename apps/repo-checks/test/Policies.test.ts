import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Policies from "../src/policies.ts"
import * as Repository from "../src/repository.ts"

const files = (prefix: string): ReadonlyArray<Repository.Source> =>
  Repository.paths("docs/policies")
    .filter((path) => path.startsWith(`docs/policies/${prefix}`) && path.endsWith(".json"))
    .map(Repository.read)

const decodeAws = Schema.decodeSync(Schema.fromJsonString(Policies.AwsPolicy), {
  onExcessProperty: "error"
})
const decodeAzure = Schema.decodeSync(Schema.fromJsonString(Policies.AzureRole), {
  onExcessProperty: "error"
})

const aws = files("aws-").map(({ path, text }) => ({ path, policy: decodeAws(text) }))
const azure = files("azure-").map(({ path, text }) => ({ path, role: decodeAzure(text) }))

const actionsOf = (path: string): ReadonlyArray<string> =>
  aws
    .filter((one) => one.path === `docs/policies/${path}.json`)
    .flatMap(({ policy }) => policy.Statement.flatMap(({ Action }) => Action))

/** What runs in production: an emulator's own probes are not. */
const sources = Repository.sources().filter(
  ({ path }) =>
    /^(?:packages\/[^/]+|apps\/queue-cli)\/src\//u.test(path) && !/-emulator\//u.test(path)
)

describe("the policies of AWS", () => {
  it("allow every action that the sources call, and no other", () => {
    const allowed = aws.flatMap(({ policy }) => policy.Statement.flatMap(({ Action }) => Action))
    const called = sources.flatMap(Policies.actionsOf)
    assert.includeMembers([...called], ["sqs:SendMessage", "kms:Decrypt", "sts:AssumeRole"])
    assert.deepStrictEqual(Policies.differences(allowed, called), [])
  })

  it("name what they are for: no wildcard", () => {
    assert.isAbove(aws.length, 5)
    for (const { path, policy } of aws) assert.deepStrictEqual(Policies.excesses(policy), [], path)
  })

  it("let a sender not receive, and nobody empty or change a queue", () => {
    assert.notInclude(actionsOf("aws-sender"), "sqs:ReceiveMessage")
    assert.notInclude(actionsOf("aws-sender"), "sqs:DeleteMessage")
    for (const role of ["aws-sender", "aws-worker", "aws-operator"]) {
      assert.isNotEmpty(actionsOf(role))
      for (const action of ["sqs:PurgeQueue", "sqs:SetQueueAttributes", "sqs:DeleteQueue"]) {
        assert.notInclude(actionsOf(role), action)
      }
    }
  })
})

describe("the roles of Azure", () => {
  it("have data actions alone, since nothing of ours changes a namespace", () => {
    assert.isAbove(azure.length, 3)
    for (const { path, role } of azure) {
      assert.deepStrictEqual(
        [...role.Actions, ...role.NotActions, ...role.NotDataActions],
        [],
        path
      )
      assert.isNotEmpty(role.DataActions, path)
      for (const action of role.DataActions) assert.notInclude(action, "*", path)
    }
    const administrating = sources.filter(({ text }) =>
      /ServiceBusAdministrationClient/u.test(text)
    )
    assert.deepStrictEqual(
      administrating.map(({ path }) => path),
      []
    )
  })

  it("keep sending and receiving apart", () => {
    const dataOf = (name: string) =>
      azure
        .filter(({ path }) => path === `docs/policies/${name}.json`)
        .flatMap(({ role }) => role.DataActions.map((action) => action.split("/").at(-2)))
    assert.deepStrictEqual(dataOf("azure-sender"), ["send"])
    assert.deepStrictEqual(dataOf("azure-worker"), ["receive"])
    assert.deepStrictEqual(dataOf("azure-operator"), ["receive", "send"])
  })
})

describe("SECURITY.md", () => {
  it("says what each policy is for", () => {
    const { text } = Repository.readOrEmpty("SECURITY.md")
    for (const { path } of [...aws, ...azure]) assert.include(text, `(${path})`)
  })
})

describe("actionsOf", () => {
  const of = (text: string) => Policies.actionsOf({ path: "a.ts", text })

  it("finds the commands that are imported, by what a policy calls them", () => {
    const text = `import {\n  type A,\n  DeleteMessageBatchCommand as D,\n  SQSClient\n} from "@aws-sdk/client-sqs"`
    assert.deepStrictEqual(of(text), ["sqs:DeleteMessage"])
    assert.deepStrictEqual(
      of(`import { GetSecretValueCommand } from "@aws-sdk/client-secrets-manager"`),
      ["secretsmanager:GetSecretValue"]
    )
    assert.deepStrictEqual(
      of(`import { ListObjectsV2Command, UploadPartCommand } from "@aws-sdk/client-s3"`),
      ["s3:ListBucket", "s3:PutObject"]
    )
    assert.deepStrictEqual(
      of(`import { fromIni, fromTemporaryCredentials } from "@aws-sdk/credential-providers"`),
      ["sts:AssumeRole"]
    )
  })

  it("finds none in comments, and none of what is never sent", () => {
    assert.deepStrictEqual(of(`// import { PurgeQueueCommand } from "@aws-sdk/client-sqs"`), [])
    assert.deepStrictEqual(of(`import { ListQueuesCommand } from "@aws-sdk/client-sqs"`), [])
    assert.deepStrictEqual(of(`import { SendMessageCommand } from "other"`), [])
  })
})

describe("differences and excesses", () => {
  it("are what lacks, what nobody needs, and what is too wide", () => {
    assert.deepStrictEqual(Policies.differences(["sqs:A", "sqs:B"], ["sqs:B", "sqs:C"]), [
      "sqs:A is allowed, and nothing calls it",
      "sqs:C is called, and no policy allows it"
    ])
    const statement = {
      Sid: "S",
      Effect: "Allow",
      Action: ["sqs:*", "sqs:Ok"],
      Resource: ["*", "arn:aws:s3:::bucket/*", "arn:aws:sqs:eu:1:acme-*"]
    } as const
    assert.deepStrictEqual(Policies.excesses({ Version: "2012-10-17", Statement: [statement] }), [
      "S allows sqs:*",
      "S is for *",
      "S is for arn:aws:sqs:eu:1:acme-*"
    ])
  })
})
