/** The collector, called by hand. */
import * as v8 from "node:v8"
import * as vm from "node:vm"

v8.setFlagsFromString("--expose-gc")

const gc: unknown = vm.runInNewContext("gc")

/** Collects everything that nobody holds. */
export const collect = (): void => {
  if (typeof gc === "function") gc()
}
