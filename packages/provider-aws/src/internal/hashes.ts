import {
  createHash,
  createHmac,
  createSecretKey,
  hash,
  type Hash,
  type Hmac,
  type KeyObject
} from "node:crypto"
import * as Result from "effect/Result"

/** Whether this machine is allowed to. */
export const hasMd5 = (): boolean => Result.isSuccess(Result.try(() => hash("md5", "")))

type Bytes = ArrayBuffer | ArrayBufferView

const bytesOf = (data: Bytes): Uint8Array =>
  ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data)

/** Node takes any other form of a key five times as long to find out what it is. */
const keyOf = (secret: string | Bytes): KeyObject =>
  typeof secret === "string" ? createSecretKey(secret, "utf8") : createSecretKey(bytesOf(secret))

/** What the SDK hashes with: nearly always one piece, which Node hashes at once in half the time. */
class OneShot {
  readonly #algorithm: "sha256" | "md5"
  #only: Uint8Array | undefined = undefined
  #many: Hash | undefined = undefined

  constructor(algorithm: "sha256" | "md5") {
    this.#algorithm = algorithm
  }

  update(chunk: Uint8Array): void {
    if (this.#many !== undefined) this.#many.update(chunk)
    else if (this.#only === undefined) this.#only = chunk
    else this.#many = createHash(this.#algorithm).update(this.#only).update(chunk)
  }

  /** More may follow. */
  digest(): Uint8Array {
    return this.#many === undefined
      ? hash(this.#algorithm, this.#only ?? "", "buffer")
      : this.#many.copy().digest()
  }
}

/** SHA-256, and with a secret its HMAC, for the SDK's signatures. */
export class Sha256 {
  readonly digestLength = 32
  readonly #key: KeyObject | undefined
  #state: OneShot | Hmac

  constructor(secret?: string | Bytes) {
    this.#key = secret === undefined ? undefined : keyOf(secret)
    this.#state = this.#begin()
  }

  #begin(): OneShot | Hmac {
    return this.#key === undefined ? new OneShot("sha256") : createHmac("sha256", this.#key)
  }

  update(chunk: Uint8Array): void {
    this.#state.update(chunk)
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#state.digest())
  }

  reset(): void {
    this.#state = this.#begin()
  }
}

/** MD5, by which SQS and the SDK tell each other what a body was. */
export class Md5 {
  readonly digestLength = 16
  #state = new OneShot("md5")

  update(chunk: Uint8Array): void {
    this.#state.update(chunk)
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#state.digest())
  }

  reset(): void {
    this.#state = new OneShot("md5")
  }
}
