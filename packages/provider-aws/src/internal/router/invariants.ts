import { Defaults } from "@queue-runtime/core"
import type { Group } from "./group.ts"
import type { State } from "./state.ts"

const ofGroup = (id: string, group: Group): ReadonlyArray<readonly [boolean, string]> => {
  const { deliveries } = group
  const sequences = deliveries.map(({ content }) => content.sequence ?? 0n)
  const phases = deliveries.map(({ phase }) => phase)
  const firstHeld = phases.indexOf("held")
  const behind = firstHeld === -1 ? [] : phases.slice(firstHeld)
  const tokens = deliveries.flatMap(({ token }) => token ?? [])
  return [
    [
      sequences.every((one, index) => index === 0 || (sequences[index - 1] ?? 0n) < one),
      `I1 ${id} is out of order`
    ],
    [
      group.unsettled.length <= Defaults.sqsBatchCountMax,
      `I1 ${id} has more than one receive brings`
    ],
    [!behind.includes("out"), `I2 ${id} has a message in hand behind one that is not`],
    [
      group.phase === "Held" || !phases.includes("out"),
      `I3 ${id} is nobody's and has a message in hand`
    ],
    [
      deliveries.every(({ phase, token }) => phase !== "out" || token !== undefined),
      `I3 ${id} has a message in hand without a receipt`
    ],
    [
      deliveries.every(({ phase, token }) => phase !== "held" || token === undefined),
      `I3 ${id} has a receipt of a message that is not in hand`
    ],
    [new Set(tokens).size === tokens.length, `I3 ${id} has a receipt twice`],
    [deliveries.every((one) => !one.isFinal), `I5 ${id} keeps what is settled or lost`],
    [deliveries.every((one) => one.group === group), `I5 ${id} has a message of another group`],
    [!group.isOver, `I5 ${id} is over and still there`]
  ]
}

/**
 * What must hold of a router's state after every step (SQS.md §10): the invariants that are broken. Those
 * on the order of calls (I4, I7, I8) show in what the broker saw, and are looked for there.
 */
export const invariants = (state: State): ReadonlyArray<string> => {
  const all: Array<readonly [boolean, string]> = []
  for (const [id, group] of state.groups) {
    all.push(...ofGroup(id, group), [id === group.id, `I5 ${id} is kept under another id`])
  }
  for (const id of state.reserved.keys()) {
    all.push([state.groups.get(id)?.phase !== "Held", `${id} is reserved and held`])
  }
  for (const group of state.listening.keys()) {
    const canCome = group.phase === "Held" && group.unsettled.length === 0
    all.push([canCome, `I7 ${group.id} is listened for, and cannot come`])
  }
  return all.flatMap(([holds, what]) => (holds ? [] : [what]))
}
