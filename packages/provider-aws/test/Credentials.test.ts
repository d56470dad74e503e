import { ListQueuesCommand } from "@aws-sdk/client-sqs"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Result } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { QueueAddress, QueueName } from "@queue-runtime/core"
import { AwsClient, type AwsConfig } from "../src/index.ts"
import * as dataPlane from "../src/internal/sqs.ts"
import * as Server from "./support/server.ts"

/** What this machine's own environment says must not leak into the tests. */
const clean: Readonly<Record<string, string | undefined>> = {
  AWS_ACCESS_KEY_ID: undefined,
  AWS_SECRET_ACCESS_KEY: undefined,
  AWS_SESSION_TOKEN: undefined,
  AWS_PROFILE: undefined,
  AWS_ROLE_ARN: undefined,
  AWS_WEB_IDENTITY_TOKEN_FILE: undefined,
  AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: undefined,
  AWS_CONTAINER_CREDENTIALS_FULL_URI: undefined,
  AWS_SHARED_CREDENTIALS_FILE: "/nowhere/credentials",
  AWS_CONFIG_FILE: "/nowhere/config",
  AWS_EC2_METADATA_DISABLED: "true"
}

const set = (values: Readonly<Record<string, string | undefined>>): void => {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
}

/** The environment for the rest of the scope, and as it was afterwards. */
const environment = (values: Readonly<Record<string, string | undefined>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const wanted = { ...clean, ...values }
      const before = Object.fromEntries(
        Object.keys(wanted).map((name) => [name, process.env[name]])
      )
      set(wanted)
      return before
    }),
    (before) => Effect.sync(() => set(before))
  )

const file = (name: string, text: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const folder = mkdtempSync(join(tmpdir(), "queue-runtime-"))
      const path = join(folder, name)
      writeFileSync(path, text)
      return { folder, path }
    }),
    ({ folder }) => Effect.sync(() => rmSync(folder, { recursive: true }))
  ).pipe(Effect.map(({ path }) => path))

const region = "eu-west-1"

const list = (client: AwsClient.Service) =>
  client.use((sqs, abortSignal) => sqs.send(new ListQueuesCommand({}), { abortSignal }))

/** Who signed the last call. */
const signer = (server: Server.Server): string | undefined =>
  /Credential=([^/]+)\//u.exec(server.asked.at(-1)?.headers.authorization ?? "")?.[1]

const sqs = Server.make(() => ({ body: { QueueUrls: [] } }))

const signedWith = Effect.fnUntraced(function* (credentials: AwsConfig.Options["credentials"]) {
  const server = yield* sqs
  const client = yield* AwsClient.make({
    region,
    endpoint: server.url,
    ...(credentials === undefined ? {} : { credentials })
  })
  yield* list(client)
  return { server, client, signer: signer(server) }
})

const inMinutes = (minutes: number) =>
  Effect.map(DateTime.now, (now) => DateTime.formatIso(DateTime.add(now, { minutes })))

/** As the metadata services of ECS, EKS and EC2 answer. */
const keysOf = (id: string, expiration: string) => ({
  AccessKeyId: id,
  SecretAccessKey: "secret",
  Token: "token",
  Expiration: expiration
})

const sts = (asked: Server.Asked, id: string, expiration: string): Server.Answer => {
  const action = new URLSearchParams(asked.body).get("Action") ?? ""
  const keys =
    `<Credentials><AccessKeyId>${id}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>` +
    `<SessionToken>token</SessionToken><Expiration>${expiration}</Expiration></Credentials>`
  return {
    headers: { "content-type": "text/xml" },
    body:
      `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result>${keys}` +
      `</${action}Result></${action}Response>`
  }
}

describe("credentials", () => {
  it.live("R10.3 fixed keys, with their token", () =>
    Effect.gen(function* () {
      yield* environment({})
      const { server, signer: by } = yield* signedWith({
        _tag: "Keys",
        accessKeyId: "FIXED",
        secretAccessKey: "secret",
        sessionToken: "session"
      })
      assert.strictEqual(by, "FIXED")
      assert.strictEqual(server.asked[0]?.headers["x-amz-security-token"], "session")
    })
  )

  it.live("R10.3 the default chain: the environment's keys", () =>
    Effect.gen(function* () {
      yield* environment({ AWS_ACCESS_KEY_ID: "FROMENV", AWS_SECRET_ACCESS_KEY: "secret" })
      assert.strictEqual((yield* signedWith(undefined)).signer, "FROMENV")
    })
  )

  it.live("R10.3 a profile of the shared files", () =>
    Effect.gen(function* () {
      const text = "[work]\naws_access_key_id = OFWORK\naws_secret_access_key = secret\n"
      const path = yield* file("credentials", text)
      yield* environment({ AWS_SHARED_CREDENTIALS_FILE: path })
      const { signer: by } = yield* signedWith({ _tag: "Profile", profile: "work" })
      assert.strictEqual(by, "OFWORK")
    })
  )

  it.live("R10.3 an ECS task's or EKS pod's, asked for once", () =>
    Effect.gen(function* () {
      const expiration = yield* inMinutes(60)
      const metadata = yield* Server.make(() => ({ body: keysOf("OFPOD", expiration) }))
      yield* environment({
        AWS_CONTAINER_CREDENTIALS_FULL_URI: `${metadata.url}/creds`,
        AWS_CONTAINER_AUTHORIZATION_TOKEN: "pod-token"
      })
      const { client, signer: by } = yield* signedWith({ _tag: "Container" })
      yield* list(client)
      assert.strictEqual(by, "OFPOD")
      assert.deepStrictEqual(
        metadata.asked.map(({ headers, path }) => [path, headers.authorization]),
        [["/creds", "pod-token"]]
      )
      yield* environment({ AWS_CONTAINER_AUTHORIZATION_TOKEN: undefined })
    })
  )

  it.live("R10.3 they refresh by themselves before they expire", () =>
    Effect.gen(function* () {
      let served = 0
      const soon = yield* inMinutes(1)
      const metadata = yield* Server.make(() => {
        served += 1
        return { body: keysOf(`POD${served}`, soon) }
      })
      yield* environment({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `${metadata.url}/creds` })
      const { client, server, signer: first } = yield* signedWith({ _tag: "Container" })
      assert.match(first ?? "", /^POD\d+$/u)
      // Near their end they are used on while new ones are on their way.
      for (let call = 0; call < 20 && signer(server) === first; call++) {
        yield* list(client)
        yield* Effect.sleep("10 millis")
      }
      assert.notStrictEqual(signer(server), first)
    })
  )

  it.live("R10.3 an EC2 instance's role, by a token of the metadata service", () =>
    Effect.gen(function* () {
      const expiration = yield* inMinutes(60)
      const metadata = yield* Server.make(({ path }) => {
        if (path.endsWith("/api/token")) return { body: "imds-token" }
        return path.endsWith("/security-credentials/")
          ? { body: "role-of-instance" }
          : { body: { Code: "Success", ...keysOf("OFINSTANCE", expiration) } }
      })
      yield* environment({
        AWS_EC2_METADATA_DISABLED: undefined,
        AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.url
      })
      assert.strictEqual((yield* signedWith({ _tag: "Instance" })).signer, "OFINSTANCE")
      assert.strictEqual(metadata.asked.at(-1)?.headers["x-aws-ec2-metadata-token"], "imds-token")
      yield* environment({ AWS_EC2_METADATA_SERVICE_ENDPOINT: undefined })
    })
  )

  it.live("R10.3 a web identity: the token of a file for a role's keys", () =>
    Effect.gen(function* () {
      const expiration = yield* inMinutes(60)
      const service = yield* Server.make((asked) => sts(asked, "OFWEB", expiration))
      const tokenFile = yield* file("token", "a.web.token")
      yield* environment({ AWS_ENDPOINT_URL_STS: service.url })
      const { signer: by } = yield* signedWith({
        _tag: "WebIdentity",
        tokenFile,
        roleArn: "arn:aws:iam::111122223333:role/web",
        sessionName: "pod-1"
      })
      assert.strictEqual(by, "OFWEB")
      const form = new URLSearchParams(service.asked[0]?.body)
      assert.strictEqual(form.get("Action"), "AssumeRoleWithWebIdentity")
      assert.strictEqual(form.get("WebIdentityToken"), "a.web.token")
      assert.strictEqual(form.get("RoleSessionName"), "pod-1")
      yield* environment({ AWS_ENDPOINT_URL_STS: undefined })
    })
  )

  it.live("R10.3 an assumed role, by the source given and with its external id", () =>
    Effect.gen(function* () {
      const expiration = yield* inMinutes(60)
      const service = yield* Server.make((asked) => sts(asked, "ASSUMED", expiration))
      yield* environment({ AWS_ENDPOINT_URL_STS: service.url })
      const { client, signer: by } = yield* signedWith({
        _tag: "AssumeRole",
        roleArn: "arn:aws:iam::111122223333:role/queue",
        sessionName: "worker-1",
        externalId: "tenant-7",
        source: { _tag: "Keys", accessKeyId: "SOURCE", secretAccessKey: "secret" }
      })
      yield* list(client)
      assert.strictEqual(by, "ASSUMED")
      assert.strictEqual(service.asked.length, 1)
      assert.strictEqual(signer(service), "SOURCE")
      const form = new URLSearchParams(service.asked[0]?.body)
      assert.strictEqual(form.get("Action"), "AssumeRole")
      assert.strictEqual(form.get("RoleArn"), "arn:aws:iam::111122223333:role/queue")
      assert.strictEqual(form.get("ExternalId"), "tenant-7")
      yield* environment({ AWS_ENDPOINT_URL_STS: undefined })
    })
  )

  it.live("R10.3 keys that a tool replaced are read again when the old ones have expired", () =>
    Effect.gen(function* () {
      const path = yield* file("credentials", "")
      const write = (id: string) =>
        Effect.sync(() =>
          writeFileSync(path, `[work]\naws_access_key_id = ${id}\naws_secret_access_key = secret\n`)
        )
      yield* environment({ AWS_SHARED_CREDENTIALS_FILE: path })
      yield* write("OLD")
      const { client, server, signer: by } = yield* signedWith({ _tag: "Profile", profile: "work" })
      assert.strictEqual(by, "OLD")
      yield* write("NEW")
      server.answer = () =>
        signer(server) === "NEW"
          ? { body: {} }
          : { status: 403, body: { __type: "ExpiredTokenException", message: "expired" } }
      const error = yield* Effect.flip(list(client))
      assert.strictEqual(error.reason._tag, "AuthenticationFailed")
      assert.strictEqual(error.retry, "Transient")
      yield* list(client)
      assert.strictEqual(signer(server), "NEW")
    })
  )

  it.live("R10.3 so do the calls of the data plane, whatever is kept between them", () =>
    Effect.gen(function* () {
      const path = yield* file("credentials", "")
      const write = (id: string) =>
        Effect.sync(() =>
          writeFileSync(path, `[work]\naws_access_key_id = ${id}\naws_secret_access_key = secret\n`)
        )
      yield* environment({ AWS_SHARED_CREDENTIALS_FILE: path })
      yield* write("KEY0")
      const { client, server } = yield* signedWith({ _tag: "Profile", profile: "work" })
      const name = QueueName.makeUnsafe("orders")
      const url = `${server.url}/000000000000/orders`
      const queue = { address: QueueAddress.queue(name), queue: name, url, isFifo: false }
      const plane = dataPlane.make(client)
      for (const id of ["KEY1", "KEY2"]) {
        yield* write(id)
        server.answer = () =>
          signer(server) === id
            ? { body: { Successful: [{ Id: "0" }] } }
            : { status: 403, body: { __type: "ExpiredTokenException", message: "expired" } }
        const error = yield* Effect.flip(plane.remove(queue, ["handle"]))
        assert.strictEqual(error.reason._tag, "AuthenticationFailed")
        assert.isTrue((yield* plane.remove(queue, ["handle"])).every(Result.isSuccess))
        assert.strictEqual(signer(server), id)
      }
    })
  )

  it.live("R2.3 no credentials, or a source that is away, says so without a secret", () =>
    Effect.gen(function* () {
      yield* environment({})
      const server = yield* sqs
      const client = yield* AwsClient.make({ region, endpoint: server.url })
      const none = yield* Effect.flip(list(client))
      assert.strictEqual(none.reason._tag, "AuthenticationFailed")
      assert.strictEqual(none.retry, "Never")
      yield* environment({ AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://127.0.0.1:1/creds" })
      const credentials = { _tag: "Container" } as const
      const away = yield* AwsClient.make({ region, endpoint: server.url, credentials })
      const gone = yield* Effect.flip(list(away))
      assert.strictEqual(gone.retry, "Transient")
      assert.strictEqual(server.asked.length, 0)
    })
  )

  it.live("R10.3 a client without a region anywhere names the setting", () =>
    Effect.gen(function* () {
      yield* environment({ AWS_REGION: undefined, AWS_DEFAULT_REGION: undefined })
      const client = yield* AwsClient.make({
        credentials: { _tag: "Keys", accessKeyId: "A", secretAccessKey: "s" }
      })
      const error = yield* Effect.flip(list(client))
      assert.deepInclude(error.reason, { _tag: "ConfigurationInvalid", key: "region" })
    })
  )
})
