/** Shared access signatures: who may attach to what, and until when. */
import { Buffer } from "node:buffer"
import { createHmac, timingSafeEqual } from "node:crypto"
import * as address from "./address.ts"
import type { Connection } from "./connection.ts"
import { condition, Refusal } from "./refusal.ts"
import type { Service } from "./service.ts"

const isSame = (a: string, b: string): boolean => {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

const denied = (detail: string): Refusal =>
  new Refusal(condition.unauthorized, `Unauthorized access. ${detail}`)

/** Whether what holds for one path holds for another: it, or anything below it. */
const covers = (granted: string, path: string): boolean =>
  granted === "" || path === granted || path.startsWith(`${granted}/`)

/** Why a token is not good; else when it ends, in milliseconds since 1970. */
export const verify = (
  service: Service,
  token: string,
  claim: { readonly audience: string; readonly now: number }
): number | Refusal => {
  const { keys } = service.access
  if (keys === undefined) return Infinity
  const [scheme = "", query = ""] = token.split(" ", 2)
  if (scheme !== "SharedAccessSignature") return denied("The token is no shared access signature.")
  const fields = new URLSearchParams(query)
  const key = keys.get(fields.get("skn") ?? "")
  const expiry = fields.get("se") ?? ""
  const resource = /(?:^|&)sr=([^&]*)/u.exec(query)?.[1] ?? ""
  if (key === undefined) return denied("The name of the key is unknown.")
  const signed = createHmac("sha256", key).update(`${resource}\n${expiry}`).digest("base64")
  if (!isSame(signed, fields.get("sig") ?? "")) return denied("The signature is wrong.")
  if (!covers(address.pathOf(fields.get("sr") ?? ""), address.pathOf(claim.audience))) {
    return denied("The token is for something else.")
  }
  const expiresAt = Number(expiry) * 1000
  return expiresAt > claim.now ? expiresAt : denied("The token has expired.")
}

/** Whether a name and a key are right. */
export const isRight = (service: Service, name: string, password: string): boolean => {
  const { keys } = service.access
  if (keys === undefined) return true
  const key = keys.get(name)
  return key !== undefined && isSame(key, password)
}

const revoke = (service: Service, connection: Connection, entity: string): void => {
  connection.tokens.delete(entity)
  const refusal = new Refusal(
    condition.unauthorized,
    "The token has expired; put a new one before it does."
  )
  for (const session of connection.sessions.values()) {
    for (const link of session.links.values()) {
      if (refuses(service, connection, link.address) !== undefined) link.detach(refusal)
    }
  }
}

/** Remembers a token that is good, and takes back what it allowed when it ends. */
export const grant = (
  service: Service,
  connection: Connection,
  token: { readonly audience: string; readonly expiresAt: number }
): void => {
  const entity = address.pathOf(token.audience)
  const { expiresAt } = token
  service.scheduler.cancel(connection.tokens.get(entity)?.timer)
  const timer =
    expiresAt === Infinity
      ? undefined
      : service.scheduler.at(expiresAt, () => revoke(service, connection, entity))
  connection.tokens.set(entity, { expiresAt, timer })
}

/** Why a connection may not attach to an address. */
export const refuses = (
  service: Service,
  connection: Connection,
  path: string
): Refusal | undefined => {
  if (service.access.keys === undefined || connection.isPlain || path === "$cbs") return undefined
  const entity = path.replace(/\/\$management$/u, "")
  for (const granted of connection.tokens.keys()) {
    if (granted === path || covers(granted, entity)) return undefined
  }
  return denied(
    `'Listen' or 'Send' claim(s) are required to perform this operation. Resource: '${service.endpoint}/${entity}'.`
  )
}
