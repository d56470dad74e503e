/**
 * The program behind `pnpm codegen`: renews the generated parts of README.md.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Blocks from "./blocks.ts"
import * as Readme from "./readme.ts"
import * as Repository from "./repository.ts"

const page = Repository.readOrEmpty(Readme.path)
const rendered = Blocks.render(page.text, Readme.blocks())

if (Result.isFailure(rendered)) {
  process.stderr.write(`${Readme.missingMarkers(rendered.failure)}\n`)
  process.exitCode = 1
} else {
  Repository.write({ path: page.path, text: rendered.success })
}
