/**
 * Every sabotage.
 *
 * @since 0.1.0
 */
import type * as Sabotage from "./Sabotage.ts"
import { accepting } from "./internal/sabotages/accepting.ts"
import { batching } from "./internal/sabotages/batching.ts"
import { bytes } from "./internal/sabotages/bytes.ts"
import { capabilities } from "./internal/sabotages/capabilities.ts"
import { concurrency } from "./internal/sabotages/concurrency.ts"
import { connections } from "./internal/sabotages/connections.ts"
import { deadLetters } from "./internal/sabotages/deadLetters.ts"
import { errors } from "./internal/sabotages/errors.ts"
import { limits } from "./internal/sabotages/limits.ts"
import { receiving } from "./internal/sabotages/receiving.ts"
import { redelivery } from "./internal/sabotages/redelivery.ts"
import { replays } from "./internal/sabotages/replays.ts"
import { sending } from "./internal/sabotages/sending.ts"
import { sessionLocks } from "./internal/sabotages/sessionLocks.ts"
import { sessionOrder } from "./internal/sabotages/sessionOrder.ts"
import { sessions } from "./internal/sabotages/sessions.ts"
import { settlement } from "./internal/sabotages/settlement.ts"
import { time } from "./internal/sabotages/time.ts"
import { waiting } from "./internal/sabotages/waiting.ts"

/**
 * All of them, by what they break.
 *
 * @category sabotages
 * @since 0.1.0
 */
export const all: ReadonlyArray<Sabotage.Sabotage> = [
  ...sending,
  ...receiving,
  ...waiting,
  ...settlement,
  ...redelivery,
  ...deadLetters,
  ...replays,
  ...sessions,
  ...sessionOrder,
  ...accepting,
  ...sessionLocks,
  ...time,
  ...bytes,
  ...capabilities,
  ...limits,
  ...errors,
  ...connections,
  ...concurrency,
  ...batching
]
