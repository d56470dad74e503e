import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

const project = (root: string) => ({
  extends: true as const,
  test: { name: root.split("/")[1], root, include: ["test/**/*.test.ts"] }
})

export default defineConfig({
  ssr: {
    resolve: {
      // Without "module": what stands there is for bundlers, and Node cannot load all of it.
      conditions: ["@queue-runtime/source", "node", "development|production"]
    }
  },
  test: {
    // No module holds state of its own, so test files may share a worker: three times as fast.
    isolate: false,
    // One less than there are cores by default: on two, one, and most of the time is spent waiting.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Of a test that hangs; a slow machine must not fail one that does not.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Concurrent tests are those of the contract on a live clock: they wait most of the time.
    maxConcurrency: 32,
    projects: [
      "packages/core",
      "packages/sessions",
      "packages/resilience",
      "packages/crypto",
      "packages/claim-check",
      "packages/session-store",
      "packages/promise",
      "packages/provider-memory",
      "packages/provider-aws",
      "packages/provider-azure",
      "packages/sqs-emulator",
      "packages/servicebus-emulator",
      "packages/contract-tests",
      "packages/simulation",
      "apps/conformance",
      "apps/quickstart",
      "apps/webhook-bot",
      "apps/queue-cli",
      "apps/example-provider",
      "apps/benchmarks",
      "apps/site",
      "apps/repo-checks"
    ].map(project),
    coverage: {
      provider: "v8",
      // Matched against the root with all projects, against each project with some of them.
      include: ["packages/*/src/**/*.ts", "src/**/*.ts"],
      exclude: ["**/index.ts", "**/apps/**"],
      reporter: ["text", "html", "json-summary"],
      thresholds: {
        "packages/core/src/**/*.ts": { lines: 100, branches: 100, functions: 100, statements: 100 },
        "packages/sessions/src/**/*.ts": {
          lines: 100,
          branches: 100,
          functions: 100,
          statements: 100
        }
      }
    }
  }
})
