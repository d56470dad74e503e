import { defineConfig } from "vitest/config"

/** The tests of the built site: `pnpm check` builds it and runs them, `pnpm test` does neither. */
export default defineConfig({
  test: { include: ["test/built/*.check.ts"], testTimeout: 120_000, hookTimeout: 60_000 }
})
