/** What stands in at most one list: the links are its own, so that taking it out anywhere is O(1). */
export interface Linked<T extends Linked<T>> {
  previous: T | undefined
  next: T | undefined
  list: List<T> | undefined
}

/** A doubly linked list of items that carry their own links. Every operation is O(1). */
export class List<T extends Linked<T>> {
  first: T | undefined
  last: T | undefined
  size = 0

  /** Puts an item that stands in no list at the end. */
  append(item: T): void {
    item.list = this
    item.previous = this.last
    item.next = undefined
    if (this.last === undefined) this.first = item
    else this.last.next = item
    this.last = item
    this.size++
  }

  /** Takes an item out; false when it does not stand in this list. */
  remove(item: T): boolean {
    if (item.list !== this) return false
    if (item.previous === undefined) this.first = item.next
    else item.previous.next = item.next
    if (item.next === undefined) this.last = item.previous
    else item.next.previous = item.previous
    item.previous = undefined
    item.next = undefined
    item.list = undefined
    this.size--
    return true
  }
}
