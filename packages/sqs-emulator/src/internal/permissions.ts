/** AddPermission and RemovePermission, which edit the queue's policy. */
import * as Schema from "effect/Schema"
import * as input from "./input.ts"
import type { Queue } from "./queue.ts"
import * as refusals from "./refusals.ts"

const Statement = Schema.Record(Schema.String, Schema.Json)

const Policy = Schema.fromJsonString(
  Schema.Struct({
    Version: Schema.String,
    Id: Schema.optionalKey(Schema.String),
    Statement: Schema.Array(Statement)
  })
)

const decode = Schema.decodeUnknownOption(Policy)

const invalidLabel = (label: string, reason: string): never =>
  refusals.refuse(refusals.invalidValue("Label", label, reason))

/** The policy as it stands; one that is not ours to edit counts as empty. */
const policyOf = (queue: Queue): typeof Policy.Type => {
  const decoded = decode(queue.attributes.get("Policy"))
  return decoded._tag === "Some"
    ? decoded.value
    : { Version: "2008-10-17", Id: `${queue.arn}/SQSDefaultPolicy`, Statement: [] }
}

const oneOrMany = (values: ReadonlyArray<string>): string | ReadonlyArray<string> => {
  const [first] = values
  return first !== undefined && values.length === 1 ? first : values
}

const store = (queue: Queue, policy: typeof Policy.Type, now: number): void => {
  queue.modifiedAt = now
  if (policy.Statement.length === 0) queue.attributes.delete("Policy")
  else queue.attributes.set("Policy", JSON.stringify(policy))
}

/** AddPermission. */
export const add = (queue: Queue, from: input.Input, now: number): void => {
  const label = input.requiredText(from, "Label")
  const accounts = input.texts(from, "AWSAccountIds")
  const actions = input.texts(from, "Actions")
  if (accounts.length === 0) refusals.refuse(refusals.missing("AWSAccountIds"))
  if (actions.length === 0) refusals.refuse(refusals.missing("Actions"))
  const policy = policyOf(queue)
  if (policy.Statement.some(({ Sid }) => Sid === label)) invalidLabel(label, "Already exists.")
  const statement = {
    Sid: label,
    Effect: "Allow",
    Principal: { AWS: oneOrMany(accounts.map((id) => `arn:aws:iam::${id}:root`)) },
    Action: oneOrMany(actions.map((action) => `SQS:${action}`)),
    Resource: queue.arn
  }
  store(queue, { ...policy, Statement: [...policy.Statement, statement] }, now)
}

/** RemovePermission. */
export const remove = (queue: Queue, from: input.Input, now: number): void => {
  const label = input.requiredText(from, "Label")
  const policy = policyOf(queue)
  const rest = policy.Statement.filter(({ Sid }) => Sid !== label)
  if (rest.length === policy.Statement.length) invalidLabel(label, "can't find label.")
  store(queue, { ...policy, Statement: rest }, now)
}
