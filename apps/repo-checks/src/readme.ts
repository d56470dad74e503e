/**
 * The generated parts of README.md.
 *
 * @since 0.1.0
 */
import type * as Blocks from "./blocks.ts"
import * as Manifests from "./manifests.ts"
import * as Picture from "./picture.ts"
import * as Repository from "./repository.ts"

/**
 * The page that holds the blocks.
 *
 * @category models
 * @since 0.1.0
 */
export const path = "README.md"

/**
 * The program that the README prints.
 *
 * @category models
 * @since 0.1.0
 */
export const quickstartPath = "apps/quickstart/src/main.ts"

/** A program of the quickstart app, as the README prints it. */
const program = (name: string): string =>
  Picture.quickstart(Repository.readOrEmpty(`apps/quickstart/src/${name}.ts`).text)

/**
 * The blocks as the workspace is now.
 *
 * @category rendering
 * @since 0.1.0
 */
export const blocks = (): Blocks.Blocks => {
  const manifests = Manifests.all()
  return {
    quickstart: Picture.quickstart(Repository.readOrEmpty(quickstartPath).text),
    worker: program("worker"),
    sessions: program("sessions"),
    packages: Picture.graph(manifests),
    "package-table": Picture.table(manifests)
  }
}

/**
 * What is asked of whoever writes the README, when it lacks markers.
 *
 * @category rendering
 * @since 0.1.0
 */
export const missingMarkers = (names: ReadonlyArray<string>): string =>
  names
    .map((name) => `${path} lacks <!-- generated:${name} --> and <!-- /generated:${name} -->`)
    .join("\n")
