/**
 * The program behind `pnpm release:audit`: whether a known vulnerability is in what our packages bring
 * along.
 *
 * **Details** Exit code 0: none is known. 1: some are, and they are told. 2: the registry could not be
 * asked, so that nothing is known; a release does not go on then either.
 *
 * @since 0.1.0
 */
import * as Auditing from "./auditing.ts"
import * as Repository from "../repository.ts"

const { code, text } = Auditing.audit(Repository.root, process.argv.slice(2))
process.stdout.write(`${text}\n`)
process.exitCode = code
