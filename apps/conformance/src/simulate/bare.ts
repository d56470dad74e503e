/**
 * Goes before all else in a process that tries seeds (`node --import`): Effect is loaded as on a platform
 * without async context. Each wait of a fiber keeps the context it began in for whoever reads an `AsyncLocalStorage`;
 * nobody does in a simulation, and its messages wait a dozen times each.
 */
const builtin = process.getBuiltinModule.bind(process)

Object.defineProperty(process, "getBuiltinModule", {
  configurable: true,
  value: (id: string): unknown => (id === "node:async_hooks" ? undefined : builtin(id))
})
