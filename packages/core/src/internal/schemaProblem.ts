import * as SchemaIssue from "effect/SchemaIssue"

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** Where and what of the first issue: `attributes.team`, `Expected string`. Values are never shown. */
export const schemaProblem = (
  issue: SchemaIssue.Issue
): { readonly path: string; readonly problem: string } => {
  const [first] = format(issue).issues
  const path = first?.path?.map((part) => String(typeof part === "object" ? part.key : part)) ?? []
  return { path: path.join("."), problem: first?.message ?? String(issue) }
}
