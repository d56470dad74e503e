/** What a client says of a delivery, on its link. */
import type { Entry } from "./entry.ts"
import * as frames from "./frames.ts"
import type { Outgoing } from "./outgoing.ts"
import type { Verdict } from "./queue.ts"
import { condition, Refusal } from "./refusal.ts"
import * as rhea from "./rhea.ts"
import type { Service } from "./service.ts"

const deadLetter = "com.microsoft:dead-letter"

const rejected = (fields: ReadonlyArray<rhea.Typed>): Verdict => {
  const [conditionField, descriptionField, infoField] = rhea.asList(fields[0])
  const properties = new Map(rhea.asMap(infoField))
  const reason = rhea.asString(properties.get("DeadLetterReason"))
  const description = rhea.asString(properties.get("DeadLetterErrorDescription"))
  if (rhea.asString(conditionField) === deadLetter) {
    return { _tag: "DeadLetter", reason, description, properties }
  }
  // Other clients reject with a condition of their own: that is then the reason.
  return {
    _tag: "DeadLetter",
    reason: reason ?? rhea.asString(conditionField),
    description: description ?? rhea.asString(descriptionField),
    properties
  }
}

/** The verdict that a delivery state stands for. */
export const toVerdict = (state: rhea.Typed | undefined): Verdict | Refusal => {
  const fields = rhea.asList(state)
  switch (state === undefined ? frames.outcome.released : rhea.descriptorOf(state)) {
    case frames.outcome.accepted:
      return { _tag: "Complete" }
    case frames.outcome.rejected:
      return rejected(fields)
    case frames.outcome.released:
      return { _tag: "Release" }
    case frames.outcome.modified: {
      const properties = rhea.asMap(fields[2])
      return rhea.asBoolean(fields[1]) === true
        ? { _tag: "Defer", properties }
        : { _tag: "Abandon", properties }
    }
    default:
      return new Refusal(condition.notImplemented, "This delivery state is out of scope.")
  }
}

/** Settles, and remembers how. */
export const settle = (
  service: Service,
  delivery: { readonly entry: Entry; readonly lock: number },
  verdict: Verdict
): Refusal | undefined => {
  const { entry, lock } = delivery
  const { queue } = entry.sub
  const { deliveryCount } = entry
  const refusal = queue.settle(entry, lock, verdict)
  service.settlements.push({
    queue: queue.settings.name,
    messageId: entry.content.messageId,
    sequenceNumber: entry.sequence,
    deliveryCount,
    outcome: verdict._tag,
    refused: refusal?.condition
  })
  return refusal
}

/** Takes the state a client gave a delivery, and answers. */
export const onState = (
  service: Service,
  link: Outgoing,
  delivery: { readonly entry: Entry; readonly lock: number },
  said: { readonly state: rhea.Typed | undefined; readonly answer: (refusal?: Refusal) => void }
): void => {
  service.count("Settle")
  const { connection } = link.session
  service.faults.run(
    { operation: "Settle", queue: delivery.entry.sub.queue.settings.name.toLowerCase() },
    {
      apply: (reply) => {
        const verdict = toVerdict(said.state)
        const refusal = verdict instanceof Refusal ? verdict : settle(service, delivery, verdict)
        if (reply) said.answer(refusal)
      },
      refuse: said.answer,
      dropLink: (refusal) => link.detach(refusal),
      dropConnection: () => connection.destroy()
    }
  )
}
