/** One part of a suite, by the suite's name and the part's number: sends its cases to who forked this. */
import { suites } from "./suites.ts"

const [name = "", number = ""] = process.argv.slice(2)
const load = suites[name]?.[Number(number)]
if (load === undefined) throw new Error(`no part ${number} of a suite "${name}"`)
const run = await load()
process.send?.(await run())
