import * as Effect from "effect/Effect"

/**
 * What stands on the SDK, loaded with the first client: an import of the package costs nothing of the
 * SDK, which takes longer to load than all else together.
 */
export const load = Effect.promise(() => import("./onSdk.ts"))
