import type { SessionStore } from "@queue-runtime/core"

/** A session of a queue as one text: the name of a queue holds no slash. */
export const keyOf = ({
  queue,
  sessionId
}: Pick<SessionStore.Request, "queue" | "sessionId">): string => `${queue}/${sessionId}`
