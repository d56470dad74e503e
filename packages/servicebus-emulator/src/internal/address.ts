/** One of the queues that belong to an entity. */
type Sub = "Main" | "Dead" | "Transfer"

/** What an address names. */
export type Address =
  | { readonly _tag: "Cbs" }
  | { readonly _tag: "Entity"; readonly entity: string; readonly sub: Sub }
  | { readonly _tag: "Management"; readonly entity: string; readonly sub: Sub }
  | { readonly _tag: "Subscription" }

/** The path of an address: some clients send the whole URL. */
export const pathOf = (address: string): string =>
  address
    .replace(/^[a-z]+:\/\/[^/]*/iu, "")
    .replace(/^\/+|\/+$/gu, "")
    .toLowerCase()

const suffixes = [
  ["/$transfer/$deadletterqueue", "Transfer"],
  ["/$deadletterqueue", "Dead"]
] as const

const management = "/$management"

const entity = (path: string): Extract<Address, { _tag: "Entity" }> => {
  for (const [suffix, sub] of suffixes) {
    if (path.endsWith(suffix)) return { _tag: "Entity", entity: path.slice(0, -suffix.length), sub }
  }
  return { _tag: "Entity", entity: path, sub: "Main" }
}

/** Reads an address. Names are not case-sensitive. */
export const parse = (address: string): Address => {
  const path = `/${pathOf(address)}`
  if (path === "/$cbs") return { _tag: "Cbs" }
  if (/\/subscriptions(?:\/|$)/u.test(path)) return { _tag: "Subscription" }
  return path.endsWith(management)
    ? { ...entity(path.slice(1, -management.length)), _tag: "Management" }
    : entity(path.slice(1))
}
