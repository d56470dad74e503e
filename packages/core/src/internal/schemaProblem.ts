import * as SchemaIssue from "effect/SchemaIssue"

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** Where and what is wrong: `attributes.team`, `Expected string`. Values are never shown. */
export const schemaProblem = (
  issue: SchemaIssue.Issue
): { readonly path: string; readonly problem: string } => {
  const { issues } = format(issue)
  return {
    path: issues.map(({ path = [] }) => path.map(String).join(".")).join(", "),
    problem: issues.map(({ message }) => message).join("; ")
  }
}
