/** Actions in the order of their times; equal times in the order they were added. */
export class EventQueue {
  readonly #heap: Event[] = []
  #added = 0
  nowMs: number

  constructor(nowMs = 0) {
    this.nowMs = nowMs
  }

  after(ms: number, action: () => void): void {
    this.at(this.nowMs + ms, action)
  }

  /** What is to happen before now happens now. */
  at(timeMs: number, action: () => void): void {
    const heap = this.#heap
    const event = { timeMs: Math.max(timeMs, this.nowMs), order: this.#added, action }
    this.#added += 1
    let at = heap.push(event) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent]
      if (above === undefined || isBefore(above, event)) break
      heap[at] = above
      at = parent
    }
    heap[at] = event
  }

  /** Runs everything up to a time. */
  run(untilMs: number): void {
    for (;;) {
      const [next] = this.#heap
      if (next === undefined || next.timeMs > untilMs) break
      this.#dropFirst()
      this.nowMs = next.timeMs
      next.action()
    }
    this.nowMs = untilMs
  }

  #dropFirst(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      const right = left + 1
      const [a, b] = [heap[left], heap[right]]
      if (a === undefined) break
      const [child, event] = b !== undefined && isBefore(b, a) ? [right, b] : [left, a]
      if (isBefore(last, event)) break
      heap[at] = event
      at = child
    }
    heap[at] = last
  }
}

interface Event {
  readonly timeMs: number
  readonly order: number
  readonly action: () => void
}

function isBefore(a: Event, b: Event): boolean {
  return a.timeMs < b.timeMs || (a.timeMs === b.timeMs && a.order < b.order)
}
