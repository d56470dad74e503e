import { type Linked, List } from "./list.ts"
import type { Message } from "./message.ts"

/** The messages of one group in the order they were sent; those in flight are among them. */
export class Group implements Linked<Group> {
  previous: Group | undefined
  next: Group | undefined
  list: List<Group> | undefined
  readonly id: string
  readonly messages = new List<Message>()

  constructor(id: string) {
    this.id = id
  }
}
