interface Event {
  readonly atMs: number
  readonly order: number
  readonly action: () => void
}

/** Actions in the order of their times; those of one time in the order they were added. */
export class Queue {
  readonly #heap: Event[] = []
  #added = 0
  nowMs: number

  constructor(nowMs: number) {
    this.nowMs = nowMs
  }

  after(ms: number, action: () => void): void {
    const heap = this.#heap
    const event = { atMs: this.nowMs + Math.max(0, ms), order: this.#added, action }
    this.#added += 1
    let at = heap.length
    for (;;) {
      const parent = (at - 1) >> 1
      const above = heap[parent]
      if (at === 0 || above === undefined || isBefore(above, event)) break
      heap[at] = above
      at = parent
    }
    heap[at] = event
  }

  /** Runs everything up to a time. */
  run(untilMs: number): void {
    for (let [next] = this.#heap; next !== undefined && next.atMs <= untilMs; [next] = this.#heap) {
      this.#shift()
      this.nowMs = next.atMs
      next.action()
    }
    this.nowMs = untilMs
  }

  #shift(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]]
      if (left === undefined) break
      const isRight = right !== undefined && isBefore(right, left)
      const child = isRight ? right : left
      if (isBefore(last, child)) break
      heap[at] = child
      at = 2 * at + (isRight ? 2 : 1)
    }
    heap[at] = last
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
