/** What is done to a queue without sessions. */
import * as Schema from "effect/Schema"
import { Client, int, Part, VerdictName } from "./play.ts"

/** A body of its own, one that others have too, or one that fills a frame. */
export const Body = Schema.Literals(["own", "same", "large"])

/** When a message is due, and how long it lives. */
export const Timing = Schema.Literals(["later", "brief", "long", "later and brief"])

export const Refused = Schema.Literals(["to a missing queue", "more than a call takes"])

export const Command = Schema.Union([
  Schema.TaggedStruct("Send", { client: Client, count: int(1, 3), body: Body }),
  Schema.TaggedStruct("SendMany", { client: Client }),
  Schema.TaggedStruct("SendTimed", { client: Client, timing: Timing }),
  Schema.TaggedStruct("SendAgain", { client: Client, which: int(0, 5) }),
  Schema.TaggedStruct("SendRefused", { client: Client, how: Refused }),
  Schema.TaggedStruct("SendTogether", { count: int(1, 3) }),
  Schema.TaggedStruct("Receive", { client: Client, max: int(1, 4) }),
  Schema.TaggedStruct("ReceiveAll", { client: Client }),
  Schema.TaggedStruct("ReceiveTogether", { max: int(1, 4) }),
  Schema.TaggedStruct("ReceiveInterrupted", { client: Client, max: int(1, 4) }),
  Schema.TaggedStruct("ReceiveDead", { client: Client, max: int(1, 4) }),
  Schema.TaggedStruct("Settle", { which: int(0, 5), verdict: VerdictName }),
  Schema.TaggedStruct("SettleMany", { client: Client, used: int(0, 2), verdict: VerdictName }),
  Schema.TaggedStruct("SettleTogether", { verdict: VerdictName, other: VerdictName }),
  Schema.TaggedStruct("SettleLate", { which: int(0, 5), verdict: VerdictName }),
  Schema.TaggedStruct("SettleDead", {
    which: int(0, 5),
    verdict: Schema.Literals(["complete", "abandon", "dead-letter"])
  }),
  Schema.TaggedStruct("Renew", { which: int(0, 5) }),
  Schema.TaggedStruct("RenewLate", { which: int(0, 5) }),
  Schema.TaggedStruct("RenewAndSettle", { which: int(0, 5), verdict: VerdictName }),
  Schema.TaggedStruct("Reconnect", {}),
  Schema.TaggedStruct("Pass", { part: Part })
])

export type Command = typeof Command.Type

export const describe = (command: Command): string => {
  switch (command._tag) {
    case "Send":
      return `client ${command.client} sends ${command.count}, body: ${command.body}`
    case "SendMany":
      return `client ${command.client} sends more than a batch`
    case "SendTimed":
      return `client ${command.client} sends one, time: ${command.timing}`
    case "SendAgain":
      return `client ${command.client} sends one by the id of a message ${command.which} that is gone`
    case "SendRefused":
      return `client ${command.client} sends ${command.how}`
    case "SendTogether":
      return `both clients send ${command.count} at once`
    case "Receive":
      return `client ${command.client} receives up to ${command.max}`
    case "ReceiveAll":
      return `client ${command.client} receives all there is`
    case "ReceiveTogether":
      return `both clients receive up to ${command.max} at once, and one of them twice`
    case "ReceiveInterrupted":
      return `client ${command.client} is interrupted receiving up to ${command.max}`
    case "ReceiveDead":
      return `client ${command.client} receives up to ${command.max} dead letters`
    case "Settle":
      return `delivery ${command.which} in hand: ${command.verdict}`
    case "SettleMany":
      return (
        `client ${command.client}, all in hand and ${command.used} used receipts in one call: ` +
        command.verdict
      )
    case "SettleTogether":
      return `all in hand in calls that meet: ${command.verdict}, ${command.other}, …`
    case "SettleLate":
      return `used receipt ${command.which}: ${command.verdict}`
    case "SettleDead":
      return `dead letter ${command.which} in hand: ${command.verdict}`
    case "Renew":
      return `delivery ${command.which} in hand is renewed`
    case "RenewLate":
      return `used receipt ${command.which} is renewed`
    case "RenewAndSettle":
      return `delivery ${command.which} in hand is renewed twice and settled at once: ${command.verdict}`
    case "Reconnect":
      return "client 1 closes its connection, and connects again"
    case "Pass":
      return `${command.part} of the lock duration passes`
  }
}
