import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** SQS writes the count as a number, others as text. */
const Policy = Schema.fromJsonString(
  Schema.Struct({
    deadLetterTargetArn: Schema.String,
    maxReceiveCount: Schema.Union([Schema.Int, Schema.NumberFromString])
  })
)

const decode = Schema.decodeUnknownOption(Policy)

/** Where the broker moves a message to, after how many receives. */
export interface Redrive {
  readonly arn: string
  readonly receivesMax: number
}

/** The redrive policy as it stands in the attributes of a queue; none when there is none to read. */
export const redriveOf = (policy: string | undefined): Redrive | undefined =>
  Option.match(decode(policy), {
    onNone: () => undefined,
    onSome: ({ deadLetterTargetArn, maxReceiveCount }) => ({
      arn: deadLetterTargetArn,
      receivesMax: maxReceiveCount
    })
  })
