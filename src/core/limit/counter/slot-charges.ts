import type { WindowShape } from './window-shape.ts'

/** What is charged to the slots of a window. */
export class SlotCharges {
  readonly #shape: WindowShape
  readonly #charges = new Map<number, number>()

  constructor(shape: WindowShape, charges: readonly (readonly [number, number])[]) {
    this.#shape = shape
    for (const [slot, amount] of charges) this.add(slot, amount)
  }

  add(slot: number, amount: number): void {
    if (amount !== 0) this.#charges.set(slot, (this.#charges.get(slot) ?? 0) + amount)
  }

  /** Takes off what was charged; a slot that is over has nothing. */
  remove(slot: number, amount: number): void {
    const charged = this.#charges.get(slot)
    if (charged === undefined) return
    if (charged > amount) this.#charges.set(slot, charged - amount)
    else this.#charges.delete(slot)
  }

  move(from: number, to: number, amount: number): void {
    if (from === to || amount === 0) return
    this.remove(from, amount)
    this.add(to, amount)
  }

  /** Forgets slots that will never count again. */
  forget(nowMs: number): void {
    for (const slot of this.#charges.keys())
      if (this.#shape.leavesMs(slot) <= nowMs) this.#charges.delete(slot)
  }

  /** What counts at a time. */
  total(nowMs: number): number {
    let total = 0
    for (const [slot, amount] of this.#charges) if (this.#shape.counts(slot, nowMs)) total += amount
    return total
  }

  /** Slots with charges, the oldest first. */
  sorted(): (readonly [number, number])[] {
    return [...this.#charges].toSorted(([a], [b]) => a - b)
  }

  /** Whether these charges never count for less than others, now and later. */
  covers(others: SlotCharges): boolean {
    return this.#shape.rolls ? this.#coversLater(others) : this.#coversEach(others)
  }

  #coversEach(others: SlotCharges): boolean {
    for (const [slot, amount] of others.#charges) if ((this.#charges.get(slot) ?? 0) < amount) return false
    return true
  }

  /** Old slots leave first: what counts is that no newest part is less. */
  #coversLater(others: SlotCharges): boolean {
    let ahead = 0
    const mine = this.sorted()
    for (const [slot, amount] of others.sorted().toReversed()) {
      for (let last = mine.at(-1); last !== undefined && last[0] >= slot; last = mine.at(-1)) {
        ahead += last[1]
        mine.pop()
      }
      ahead -= amount
      if (ahead < 0) return false
    }
    return true
  }
}
