/** Where a value does not fit its schema, without a word of what stands there: it may be a secret. */
import type * as SchemaIssue from "effect/SchemaIssue"

/** The paths of what a schema did not accept; unions are not entered, their own path says it. */
export const pathsOf = (issue: SchemaIssue.Issue, at: ReadonlyArray<PropertyKey> = []): ReadonlyArray<string> => {
  switch (issue._tag) {
    case "Pointer":
      return pathsOf(issue.issue, [...at, ...issue.path])
    case "Composite":
      return issue.issues.flatMap((inner) => pathsOf(inner, at))
    case "Filter":
    case "Encoding":
      return pathsOf(issue.issue, at)
    default:
      return [at.map(String).join(".")]
  }
}
