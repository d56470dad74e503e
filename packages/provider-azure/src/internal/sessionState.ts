import * as Option from "effect/Option"
import * as Result from "effect/Result"

/** Before a state that the SDK would read as JSON, and hand out as something else than its bytes. */
const mark = Uint8Array.of(0x00, 0x71, 0x72, 0x01)

const isMarked = (bytes: Uint8Array): boolean => mark.every((byte, index) => bytes[index] === byte)

const isJson = (bytes: Uint8Array): boolean =>
  Result.isSuccess(Result.try((): unknown => JSON.parse(Buffer.from(bytes).toString("utf8"))))

/** The state as the service keeps it: the bytes themselves, unless the SDK would take them for JSON. */
export const toWire = (state: Uint8Array): Buffer =>
  isJson(state) || isMarked(state) ? Buffer.concat([mark, state]) : Buffer.from(state)

/** The state's bytes; nothing when there is none. The JSON of another program is written out again. */
export const fromWire = (state: unknown): Option.Option<Uint8Array> => {
  if (state === null || state === undefined) return Option.none()
  if (!(state instanceof Uint8Array)) {
    return Option.some(new TextEncoder().encode(JSON.stringify(state)))
  }
  return Option.some(Uint8Array.from(isMarked(state) ? state.subarray(mark.length) : state))
}
