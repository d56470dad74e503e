/**
 * Counts the elementary steps of one broker's data structures: a comparison in a heap, one operation on
 * a list, a map or an index. It is what shows the growth of an operation's cost without a stopwatch.
 */
export class Steps {
  count = 0
}
