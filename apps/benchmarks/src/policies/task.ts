/** One task, by its name, in a process of its own: takes a sample whenever it is asked, and sends it. */
import { tasks } from "./tasks.ts"

const [name = ""] = process.argv.slice(2)
const sample = new Map(Object.entries(tasks)).get(name)?.()
if (sample === undefined) throw new Error(`no task "${name}"`)

process.on("message", () => {
  void sample().then((nanoseconds) => process.send?.(nanoseconds))
})
process.send?.("ready")
