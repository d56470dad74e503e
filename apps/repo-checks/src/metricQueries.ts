/**
 * Queries for Prometheus, held to the metrics that there are.
 *
 * @since 0.1.0
 */
import { parser } from "@prometheus-io/lezer-promql"

/**
 * The metrics of an exposition: each name as it is written there, with the labels of its series.
 *
 * @category models
 * @since 0.1.0
 */
export type Metrics = ReadonlyMap<string, ReadonlySet<string>>

const sample = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? /u

/**
 * Reads what a Prometheus would read.
 *
 * @category reading
 * @since 0.1.0
 */
export const read = (exposition: string): Metrics => {
  const metrics = new Map<string, Set<string>>()
  for (const line of exposition.split("\n")) {
    const [, name, labels = ""] = sample.exec(line) ?? []
    if (name === undefined) continue
    const known = metrics.get(name) ?? new Set()
    for (const [, label = ""] of labels.matchAll(/([a-zA-Z_]\w*)="/gu)) known.add(label)
    metrics.set(name, known)
  }
  return metrics
}

/**
 * What a query asks for: metrics with the labels that select among their series, and the labels that it
 * groups by.
 *
 * @category models
 * @since 0.1.0
 */
export interface Asked {
  readonly metrics: ReadonlyArray<{ readonly name: string; readonly labels: ReadonlyArray<string> }>
  readonly grouping: ReadonlyArray<string>
  /** Where it is no query. */
  readonly errors: ReadonlyArray<string>
}

/** What Grafana fills in, as something that a query may have there. */
const filled = (query: string): string =>
  query.replaceAll("$__rate_interval", "5m").replaceAll(/\$\w+/gu, "any")

/**
 * Takes a query apart.
 *
 * @category reading
 * @since 0.1.0
 */
export const parse = (query: string): Asked => {
  const text = filled(query)
  const metrics: Array<{ name: string; labels: Array<string> }> = []
  const grouping: Array<string> = []
  const errors: Array<string> = []
  parser.parse(text).iterate({
    enter: ({ from, name: node, node: { parent }, to, type }) => {
      const word = text.slice(from, to)
      if (type.isError) errors.push(`at ${from}: ${text.slice(from, from + 20)}`)
      else if (node === "Identifier" && parent?.name === "VectorSelector") {
        metrics.push({ name: word, labels: [] })
      } else if (node === "LabelName" && parent?.name === "GroupingLabels") grouping.push(word)
      else if (node === "LabelName") metrics.at(-1)?.labels.push(word)
    }
  })
  return { metrics, grouping, errors }
}

/**
 * What is wrong with a query: it is none, or it asks for a metric or a label that there is not.
 *
 * @category checking
 * @since 0.1.0
 */
export const problems = (query: string, metrics: Metrics): ReadonlyArray<string> => {
  const asked = parse(query)
  if (asked.errors.length > 0) return asked.errors
  if (asked.metrics.length === 0) return ["it asks for no metric"]
  const labels = new Set(asked.metrics.flatMap(({ name }) => [...(metrics.get(name) ?? [])]))
  return [
    ...asked.metrics.flatMap(({ labels: selecting, name }) => {
      const known = metrics.get(name)
      if (known === undefined) return [`no metric is called ${name}`]
      return selecting.filter((one) => !known.has(one)).map((one) => `${name} has no label ${one}`)
    }),
    ...asked.grouping.filter((one) => !labels.has(one)).map((one) => `nothing has a label ${one}`)
  ]
}
