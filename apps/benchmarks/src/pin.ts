/** `pnpm --filter @queue-runtime/benchmarks pin`: the sizes of now are those that the test holds. */
import * as bytes from "./bytes.ts"

await bytes.pin()
