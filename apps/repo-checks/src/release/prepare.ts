/**
 * The program behind `pnpm release:prepare`: writes into the manifests and READMEs of this checkout what
 * needs the repository's address. The checkout is that of a release, made for it and thrown away.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Preparing from "./preparing.ts"
import * as Repository from "../repository.ts"

const given = process.argv[2] ?? Preparing.repositoryOf(Repository.read("package.json").text)
const prepared = Preparing.prepare(given)

if (Result.isFailure(prepared)) {
  process.stderr.write(`release: ${prepared.failure}\n`)
  process.exitCode = 1
} else {
  for (const source of prepared.success) Repository.write(source)
  process.stdout.write(`release: ${prepared.success.length} files prepared\n`)
}
