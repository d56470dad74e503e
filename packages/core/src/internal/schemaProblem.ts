import * as SchemaIssue from "effect/SchemaIssue"

const format = SchemaIssue.makeFormatterStandardSchemaV1()

interface Problem {
  readonly path: string
  readonly problem: string
}

const written = (issues: ReturnType<typeof format>["issues"]): Problem => ({
  path: issues.map(({ path = [] }) => path.map(String).join(".")).join(", "),
  problem: issues.map(({ message }) => message).join("; ")
})

/** Where and what is wrong: `attributes.team`, `Expected string`. Values are never shown. */
export const schemaProblem = (issue: SchemaIssue.Issue): Problem => written(format(issue).issues)

/** The same, of the first thing that is wrong: one of several kinds is several things. */
export const firstProblem = (issue: SchemaIssue.Issue): Problem =>
  written(format(issue).issues.slice(0, 1))
