/** What `pnpm bench` measures, by name. */
import type * as Report from "./Report.ts"

/** Measures, and answers its cases. */
export type Part = () => Promise<ReadonlyArray<Report.Case>>

/**
 * Each part is loaded and run in a process of its own: what one leaves in the heap, and how it made the
 * compiler see the code they share, is not another's.
 */
export const suites: Readonly<Record<string, ReadonlyArray<() => Promise<Part>>>> = {
  memory: [async () => (await import("./memory.ts")).run],
  persisted: [async () => (await import("./persisted.ts")).run],
  policies: [
    async () => (await import("./policies.ts")).alone,
    async () => (await import("./policies.ts")).sealing,
    async () => (await import("./policies.ts")).whole
  ],
  latency: [async () => (await import("./latency.ts")).run],
  heap: [async () => (await import("./heap.ts")).run],
  growth: [async () => (await import("./growth.ts")).run],
  sessions: [async () => (await import("./sessions.ts")).run],
  startup: [async () => (await import("./startup.ts")).run],
  aws: [async () => (await import("./aws.ts")).run],
  azure: [async () => (await import("./azure.ts")).run],
  bullmq: [async () => (await import("./bullmq.ts")).run]
}
