/**
 * A doubly linked list whose nodes can be taken out from anywhere. A Map also keeps an order, but
 * its first key is found by stepping over every deleted one, and its last by stepping over all. Core has
 * one of its own: the inside of a package is closed, and a list is no part of what a queue is.
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

/** Puts a value behind the last. */
export const append = <A>(list: LinkedList<A>, value: A): Node<A> => {
  const node: Node<A> = { value, previous: list.last, next: undefined }
  if (list.last === undefined) list.first = node
  else list.last.next = node
  list.last = node
  return node
}

/** Takes a node of this list out of it; once. */
export const remove = <A>(list: LinkedList<A>, node: Node<A>): void => {
  if (node.previous === undefined) list.first = node.next
  else node.previous.next = node.next
  if (node.next === undefined) list.last = node.previous
  else node.next.previous = node.previous
}
