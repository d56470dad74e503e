/** One item's place in a heap; -1 when it has been taken out. */
export interface HeapNode<T> {
  readonly key: number
  readonly order: number
  readonly item: T
  index: number
}

const before = <T>(a: HeapNode<T>, b: HeapNode<T>): boolean =>
  a.key < b.key || (a.key === b.key && a.order < b.order)

/** A binary heap whose nodes know their place: push, pop and removal of any node are O(log n). */
export class Heap<T> {
  readonly #nodes: Array<HeapNode<T>> = []
  #pushed = 0

  get size(): number {
    return this.#nodes.length
  }

  /** The least node; of equal keys the one pushed first. */
  get first(): HeapNode<T> | undefined {
    return this.#nodes[0]
  }

  push(key: number, item: T): HeapNode<T> {
    const node = { key, order: ++this.#pushed, item, index: this.#nodes.length }
    this.#nodes.push(node)
    this.#up(node)
    return node
  }

  remove(node: HeapNode<T>): void {
    const { index } = node
    const last = this.#nodes.at(-1)
    if (index < 0 || last === undefined || this.#nodes[index] !== node) return
    this.#nodes.pop()
    node.index = -1
    if (last === node) return
    this.#place(last, index)
    this.#up(last)
    this.#down(last)
  }

  #place(node: HeapNode<T>, index: number): void {
    this.#nodes[index] = node
    node.index = index
  }

  #up(node: HeapNode<T>): void {
    while (node.index > 0) {
      const above = (node.index - 1) >> 1
      const parent = this.#nodes[above]
      if (parent === undefined || !before(node, parent)) return
      this.#place(parent, node.index)
      this.#place(node, above)
    }
  }

  #down(node: HeapNode<T>): void {
    for (;;) {
      const left = this.#nodes[2 * node.index + 1]
      const right = this.#nodes[2 * node.index + 2]
      const least = left !== undefined && right !== undefined && before(right, left) ? right : left
      if (least === undefined || !before(least, node)) return
      const below = least.index
      this.#place(least, node.index)
      this.#place(node, below)
    }
  }
}
