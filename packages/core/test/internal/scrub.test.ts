import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { scrub } from "../../src/internal/scrub.ts"
import { text } from "../support/arbitraries.ts"

const key = "c2VjcmV0/c2Vj+mV0c2VjcmV0="

const cases = [
  [
    `Endpoint=sb://ns/;SharedAccessKeyName=Root;SharedAccessKey=${key}`,
    "…;SharedAccessKey=<redacted>"
  ],
  [`SharedAccessKey=${key};EntityPath=orders`, "SharedAccessKey=<redacted>;EntityPath=orders"],
  [`sharedaccesskey = ${key} is bad`, "sharedaccesskey = <redacted> is bad"],
  [`SharedAccessKey="${key}";x`, "SharedAccessKey=<redacted>;x"],
  [`SharedAccessKey='${key}';x`, "SharedAccessKey=<redacted>;x"],
  [`SharedAccessKey="${key}`, "SharedAccessKey=<redacted>"],
  [`"Endpoint=sb://ns/;SharedAccessKey=${key}"`, '…;SharedAccessKey=<redacted>"'],
  [`{"SharedAccessKey":"${key}","a":1}`, '{"SharedAccessKey":<redacted>,"a":1}'],
  [String.raw`{\"sharedAccessKey\": \"${key}\"}`, String.raw`{\"sharedAccessKey\": <redacted>}`],
  [`AccountKey=${key};AccountName=a`, "AccountKey=<redacted>;AccountName=a"],
  ["Password=p@ss,w:rd;User=u", "Password=<redacted>;User=u"],
  ['Password="p a;s"', "Password=<redacted>"],
  ["Pwd=hunter2", "Pwd=<redacted>"],
  ["ClientSecret=hunter2~x", "ClientSecret=<redacted>"],
  [
    `SharedAccessSignature=SharedAccessSignature sr=ns&sig=${key}&se=1&skn=Root`,
    "SharedAccessSignature=<redacted> sr=ns&sig=<redacted>&se=1&skn=Root"
  ],
  [`SharedAccessSignature sr=ns%2Fq&sig=${key}&se=1`, "SharedAccessSignature <redacted>"],
  ["https://x/?sv=1&sig=a%2Bb%3D&se=2", "https://x/?sv=1&sig=<redacted>&se=2"],
  [
    "https://sqs/?X-Amz-Credential=AKIAABCDEFGHIJKLMNOP%2F2026&X-Amz-Signature=abc123&x=1",
    "https://sqs/?X-Amz-Credential=<redacted>&X-Amz-Signature=<redacted>&x=1"
  ],
  ["X-Amz-Security-Token=FwoGZXIv%2F&a=b", "X-Amz-Security-Token=<redacted>&a=b"],
  // The text of AWS's SignatureDoesNotMatch quotes the canonical request, its headers included.
  [
    "host:sqs\nx-amz-security-token:FwoGZXIv/abc\nx",
    "host:sqs\nx-amz-security-token:<redacted>\nx"
  ],
  ["client_secret=hunter2&grant_type=x", "client_secret=<redacted>&grant_type=x"],
  ["client_assertion=hunter2&x=1", "client_assertion=<redacted>&x=1"],
  ['{"access_token":"hunter2"}', '{"access_token":<redacted>}'],
  ["access_token=hunter2", "access_token=<redacted>"],
  ["Signature=hunter2, SignedHeaders=host", "Signature=<redacted> SignedHeaders=host"],
  ["Authorization: Bearer abc.def-ghi_~+/=", "Authorization: Bearer <redacted>"],
  ["authorization: bearer abc", "authorization: bearer <redacted>"],
  ["AUTHORIZATION: BEARER hunter2", "AUTHORIZATION: BEARER <redacted>"],
  ["Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic <redacted>"],
  ["Authorization: Basic tier/dXNlcjpwYXNz", "Authorization: Basic <redacted>"],
  ["token eyJhbGciOi.eyJzdWIi.c2ln end", "token <redacted> end"],
  ["token eyJhbGciOi.eyJzdWIi.", "token <redacted>"],
  ["key AKIAABCDEFGHIJKLMNOP is bad", "key <redacted> is bad"],
  ["key ASIAABCDEFGHIJKLMNOP", "key <redacted>"],
  ["aws_secret_access_key = wJalrXUt/nFEMI", "aws_secret_access_key = <redacted>"],
  ["AWS_SECRET_ACCESS_KEY=wJalrXUt", "AWS_SECRET_ACCESS_KEY=<redacted>"],
  ['"secretAccessKey": "wJalrXUt",', '"secretAccessKey": <redacted>,'],
  ["{ secretAccessKey: 'wJalrXUt', x: 1 }", "{ secretAccessKey: <redacted>, x: 1 }"],
  ["sessionToken=FwoGZXIv; x", "sessionToken=<redacted>; x"],
  ["AWS_SESSION_TOKEN=FwoGZXIv x", "AWS_SESSION_TOKEN=<redacted> x"],
  ["amqps://user:hunter2@host/q", "amqps://user:<redacted>@host/q"],
  [`amqps://Root:${key}@ns/orders`, "amqps://Root:<redacted>@ns/orders"],
  ["redis://:hunter2@host", "redis://:<redacted>@host"],
  ["http://u:hunter2@proxy:8080 failed", "http://u:<redacted>@proxy:8080 failed"]
] as const

/** What is secret in the cases above. */
const secrets =
  /c2Vj|hunter2|p@ss|p a;s|a%2Bb|AKIA|ASIA|abc123|FwoG|abc\.def|bearer abc|dXNl|eyJ|wJal/u

describe("scrub", () => {
  it.each(cases)("R2.3 %s", (original, expected) => {
    assert.match(original, secrets)
    const cleaned = scrub(original)
    assert.notMatch(cleaned, secrets)
    if (expected.startsWith("…")) assert.isTrue(cleaned.endsWith(expected.slice(1)), cleaned)
    else assert.strictEqual(cleaned, expected)
  })

  it.each(cases)("R2.3 in the middle of other text, and more than once: %s", (original) => {
    const cleaned = scrub(`first (${original}) then\n\tat ${original}\n`)
    assert.notMatch(cleaned, secrets)
    assert.match(cleaned, /^first \(/u)
  })

  it.each(cases)("cleaning twice changes nothing more: %s", (original) => {
    const cleaned = scrub(original)
    assert.strictEqual(scrub(cleaned), cleaned)
  })

  it.each([
    "",
    "the queue orders does not exist",
    "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=Root;EntityPath=orders",
    "https://sqs.eu-central-1.amazonaws.com/123456789012/orders?x=1",
    "http://localhost:9324/000000000000/orders",
    "connect ECONNREFUSED 127.0.0.1:5671",
    "the signature does not match",
    "mail to ops@example.com",
    "AKIA is how a key id begins",
    "the Basic tier has no sessions",
    "not in the Basic SKU."
  ])("what an operator needs stays: %s", (plain) => {
    assert.strictEqual(scrub(plain), plain)
  })

  it.effect.prop(
    "R2.3 whatever stands before and behind a connection string, its key is gone",
    { before: text, after: text },
    ({ before, after }) =>
      Effect.sync(() => {
        const string = `Endpoint=sb://ns/;SharedAccessKeyName=Root;SharedAccessKey=${key}`
        const cleaned = scrub(`${before} ${string};${after}`)
        assert.notInclude(cleaned, key)
        assert.include(cleaned, "SharedAccessKey=<redacted>")
      }),
    { arbitrary: { runs: 300 } }
  )
})
