import * as SchemaIssue from "effect/SchemaIssue"

/** A key that nothing reads is mostly a misspelt one: its neighbours say how it is spelt. */
const leafHook: SchemaIssue.LeafHook = (issue) => {
  if (issue._tag !== "UnexpectedKey" || issue.ast._tag !== "Objects") {
    return SchemaIssue.defaultLeafHook(issue)
  }
  const known = issue.ast.propertySignatures.map(({ name }) => String(name)).join(", ")
  return `is an excess property; there are: ${known}`
}

const format = SchemaIssue.makeFormatterStandardSchemaV1({ leafHook })

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
