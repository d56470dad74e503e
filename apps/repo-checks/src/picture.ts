/**
 * The dependency picture and the package table, made from the `package.json` files.
 *
 * @since 0.1.0
 */
import * as Manifests from "./manifests.ts"

/**
 * The picture: an arrow for a dependency, a dotted one for a devDependency inside the workspace.
 * Peers are not shown.
 *
 * @category rendering
 * @since 0.1.0
 */
export const graph = (manifests: ReadonlyArray<Manifests.Manifest>): string => {
  const lines = manifests.flatMap((manifest) => {
    const name = Manifests.shortName(manifest.content.name)
    const needed = Manifests.siblings(manifest, "dependencies")
    const inTests = Manifests.siblings(manifest, "devDependencies")
    return [
      `  ${name}`,
      ...needed.map((other) => `  ${name} --> ${other}`),
      ...inTests
        .filter((other) => !needed.includes(other))
        .map((other) => `  ${name} -.-> ${other}`)
    ]
  })
  return ["```mermaid", "graph LR", ...lines, "```"].join("\n")
}

const cell = (text: string): string => text.replaceAll("|", String.raw`\|`)

/**
 * The table: a row for each package and app, with its description and a link to its folder.
 *
 * @category rendering
 * @since 0.1.0
 */
export const table = (manifests: ReadonlyArray<Manifests.Manifest>): string =>
  [
    "| package | what it is |",
    "|---|---|",
    ...manifests.map(
      ({ content, folder }) =>
        `| [\`${content.name}\`](${folder}) | ${cell(content.description ?? "")} |`
    )
  ].join("\n")

/**
 * A source as the README shows it: compiled with the examples, run by its own app.
 *
 * @category rendering
 * @since 0.1.0
 */
export const quickstart = (text: string): string => `\`\`\`ts no-run\n${text.trimEnd()}\n\`\`\``
