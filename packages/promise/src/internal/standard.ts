/** A Standard Schema validator as a Schema: JSON goes in, what the validator answers comes out. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import type { StandardSchemaV1 } from "effect/StandardSchema"

const segment = (part: PropertyKey | StandardSchemaV1.PathSegment): PropertyKey =>
  typeof part === "object" ? part.key : part

const issueOf = ({ issues: [issue] }: StandardSchemaV1.FailureResult): SchemaIssue.Issue => {
  const message = issue?.message ?? "the validator refused it"
  const problem = new SchemaIssue.InvalidValue({ message })
  const path = issue?.path?.map(segment) ?? []
  return path.length === 0 ? problem : new SchemaIssue.Pointer(path, problem)
}

/** Runs the validator, which may answer at once or later. */
export const validate = <Out>(
  { "~standard": standard }: StandardSchemaV1<unknown, Out>,
  value: unknown
): Effect.Effect<Out, SchemaIssue.Issue> =>
  Effect.tryPromise({
    try: () => Promise.resolve(standard.validate(value)),
    catch: (cause) =>
      new SchemaIssue.InvalidValue({
        message: `the validator threw${cause instanceof Error ? ` ${cause.name}` : ""}`
      })
  }).pipe(
    Effect.flatMap((result) =>
      result.issues === undefined ? Effect.succeed(result.value) : Effect.fail(issueOf(result))
    )
  )

/** Decodes alone: how a validated value looks as JSON no validator tells. */
export const toSchema = <Out>(
  standard: StandardSchemaV1<unknown, Out>
): Schema.Codec<Out, Schema.Json> =>
  Schema.Json.pipe(
    Schema.decodeTo(
      Schema.declare((value): value is Out => value !== standard),
      SchemaTransformation.transformEffect<Out, Schema.Json>({
        decode: (value) => validate(standard, value),
        encode: () => Effect.fail(new SchemaIssue.InvalidValue({ message: "decodes alone" }))
      })
    )
  )
