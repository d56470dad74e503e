/** What is done to a queue with sessions. */
import * as Schema from "effect/Schema"
import { Client, int, Part, VerdictName } from "./play.ts"

export const Name = Schema.Literals(["A", "B", "C"])

/** What a former holder tries. */
export const Use = Schema.Literals(["receives", "renews", "settles"])

const Send = Schema.TaggedStruct("Send", { client: Client, session: Name, count: int(1, 3) })

const Take = Schema.TaggedStruct("Take", { holder: int(0, 2), max: int(1, 4) })

const Accept = Schema.TaggedStruct("Accept", { client: Client, session: Name })

/** One of these is drawn; what leads to the others stands there twice. */
export const Command = Schema.Union([
  Send,
  Send,
  Take,
  Take,
  Accept,
  Accept,
  Schema.TaggedStruct("SendMany", { client: Client }),
  Schema.TaggedStruct("SendTogether", { session: Name, count: int(1, 3) }),
  Schema.TaggedStruct("AcceptNext", { client: Client }),
  Schema.TaggedStruct("AcceptTogether", {}),
  Schema.TaggedStruct("ReceiveUnlocked", { client: Client }),
  Schema.TaggedStruct("TakeInterrupted", { holder: int(0, 2), max: int(1, 4) }),
  Schema.TaggedStruct("Settle", { holder: int(0, 2), which: int(0, 3), verdict: VerdictName }),
  Schema.TaggedStruct("SettleMany", { holder: int(0, 2), from: int(0, 3), verdict: VerdictName }),
  Schema.TaggedStruct("SettleLate", { which: int(0, 5), verdict: VerdictName }),
  Schema.TaggedStruct("UseLost", { which: int(0, 5), use: Use }),
  Schema.TaggedStruct("Renew", { holder: int(0, 2) }),
  Schema.TaggedStruct("Release", { holder: int(0, 2) }),
  Schema.TaggedStruct("Reconnect", {}),
  Schema.TaggedStruct("Pass", { part: Part })
])

export type Command = typeof Command.Type

export const describe = (command: Command): string => {
  switch (command._tag) {
    case "Send":
      return `client ${command.client} sends ${command.count} to ${command.session}`
    case "SendMany":
      return `client ${command.client} sends one to each of more sessions than a page has`
    case "SendTogether":
      return `client 0 sends ${command.count} to ${command.session} while client 1 sends to the next`
    case "Accept":
      return `client ${command.client} accepts ${command.session}`
    case "AcceptNext":
      return `client ${command.client} accepts the next session`
    case "AcceptTogether":
      return "both clients accept the next session at once"
    case "ReceiveUnlocked":
      return `client ${command.client} receives without a session`
    case "Take":
      return `holder ${command.holder} receives up to ${command.max}`
    case "TakeInterrupted":
      return `holder ${command.holder} is interrupted receiving up to ${command.max}`
    case "Settle":
      return `holder ${command.holder}, delivery ${command.which}: ${command.verdict}`
    case "SettleMany":
      return `holder ${command.holder}, deliveries from ${command.from} on: ${command.verdict}`
    case "SettleLate":
      return `used receipt ${command.which}: ${command.verdict}`
    case "UseLost":
      return `former holder ${command.which} ${command.use}`
    case "Renew":
      return `holder ${command.holder} renews`
    case "Release":
      return `holder ${command.holder} releases its session`
    case "Reconnect":
      return "client 1 closes its connection, and connects again"
    case "Pass":
      return `${command.part} of the lock duration passes`
  }
}
