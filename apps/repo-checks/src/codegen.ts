/**
 * The program behind `pnpm codegen`: renews the generated parts of README.md, and docs/LIMITS.md.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Blocks from "./blocks.ts"
import * as Licences from "./licences.ts"
import * as Limits from "./limits.ts"
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

const limits = Limits.page(await Effect.runPromise(Limits.columns))
Repository.write({ path: Limits.path, text: limits })

const dependencies = Licences.dependencies(Licences.bill())
Repository.write({ path: Licences.pagePath, text: Licences.page(dependencies) })
