/** What stands in at most one list: the links are its own, so that taking it out anywhere is O(1). */
export class Linked<T extends Linked<T>> {
  previous: T | undefined
  next: T | undefined
  list: List<T> | undefined
}

/** A doubly linked list of items that carry their own links. Every operation is O(1). */
export class List<T extends Linked<T>> {
  first: T | undefined
  last: T | undefined
  size = 0

  /** Puts an item at the end; one that stands in a list stays where it is. */
  append(item: T): void {
    if (item.list !== undefined) return
    item.list = this
    item.previous = this.last
    item.next = undefined
    if (this.last === undefined) this.first = item
    else this.last.next = item
    this.last = item
    this.size++
  }

  /** Takes an item out; nothing happens when it does not stand in this list. */
  remove(item: T): void {
    if (item.list !== this) return
    if (item.previous === undefined) this.first = item.next
    else item.previous.next = item.next
    if (item.next === undefined) this.last = item.previous
    else item.next.previous = item.previous
    item.previous = undefined
    item.next = undefined
    item.list = undefined
    this.size--
  }
}
