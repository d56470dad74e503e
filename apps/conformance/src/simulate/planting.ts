/**
 * Puts a planted bug into a source file as it is loaded: for `node --import`, in a process of its own. The
 * environment says which; without one nothing is changed.
 */
import { readFileSync } from "node:fs"
import { registerHooks } from "node:module"
import { fileURLToPath } from "node:url"
import { plants, rootOf, sourceOf } from "./plants.ts"

const { SIMULATE_PLANT: id } = process.env

const plant = plants.find((one) => one.id === id)

if (id !== undefined && plant === undefined)
  throw new Error(`no bug is planted under the name ${id}`)

if (plant !== undefined) {
  const file = rootOf(plant)
  registerHooks({
    load: (url, context, nextLoad) => {
      if (!url.startsWith("file:") || fileURLToPath(url) !== file) return nextLoad(url, context)
      const source = sourceOf(plant, readFileSync(file, "utf8"))
      return { format: "module-typescript", source, shortCircuit: true }
    }
  })
}
