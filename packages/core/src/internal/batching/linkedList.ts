/**
 * A doubly linked list whose nodes can be taken out from anywhere: a caller that stops waiting leaves
 * nothing behind. A Map also keeps an order, but its first key is found by stepping over deleted ones.
 * Effect's MutableList looks for what it takes out, and with yallist, whose nodes carry their list and
 * check it, what is its own node takes more than twice the time.
 */
export interface LinkedList<A> {
  first: Node<A> | undefined
  last: Node<A> | undefined
}

/** One place in a list. */
export interface Node<A> {
  readonly value: A
  previous: Node<A> | undefined
  next: Node<A> | undefined
}

/** A list of nothing. */
export const make = <A>(): LinkedList<A> => ({ first: undefined, last: undefined })

/** Puts a node that stands nowhere behind the last. */
export const push = <A>(list: LinkedList<A>, node: Node<A>): void => {
  node.previous = list.last
  node.next = undefined
  if (list.last === undefined) list.first = node
  else list.last.next = node
  list.last = node
}

/** Puts a value behind the last. */
export const append = <A>(list: LinkedList<A>, value: A): Node<A> => {
  const node: Node<A> = { value, previous: undefined, next: undefined }
  push(list, node)
  return node
}

/** Takes a node of this list out of it; once. It points nowhere then: it would keep what is behind it. */
export const remove = <A>(list: LinkedList<A>, node: Node<A>): void => {
  if (node.previous === undefined) list.first = node.next
  else node.previous.next = node.next
  if (node.next === undefined) list.last = node.previous
  else node.next.previous = node.previous
  node.previous = undefined
  node.next = undefined
}
