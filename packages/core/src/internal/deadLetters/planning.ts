import type * as DeadLetters from "../../DeadLetters.ts"
import * as letters from "./letter.ts"

interface Item {
  readonly letter: DeadLetters.DeadLetter
}

const cut = <A>(some: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(some.length / size) }, (_, part) =>
    some.slice(part * size, (part + 1) * size)
  )

/**
 * In which order, and how many together: of each session one at a time, so that a crash can only send
 * again what was sent last, and behind a failure nothing of it is under way.
 */
export const inOrder = <A extends Item>(
  some: ReadonlyArray<A>,
  size: number
): ReadonlyArray<ReadonlyArray<A>> => {
  const bySession = Map.groupBy(some, ({ letter }) => letter.message.sessionId ?? letter)
  const sessions = [...bySession.values()].map((own) =>
    own.toSorted((one, other) => letters.compare(one.letter, other.letter))
  )
  const parts: Array<ReadonlyArray<A>> = []
  let active = sessions
  for (let round = 0; active.length > 0; round++) {
    const next = active.flatMap((own) => own.slice(round, round + 1))
    parts.push(...cut(next, size))
    active = active.filter(({ length }) => length > round + 1)
  }
  return parts
}

/** As they are. */
export const inAnyOrder = cut
