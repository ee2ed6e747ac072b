import { isTight } from './counter/lease-terms.ts'
import { inHand, type Lessee } from './counter/lessee.ts'
import type { Lessees } from './counter/lessees.ts'
import type { Need, NeedAnswer, OpenedReservation, Take } from './messages.ts'
import type { AppliedLimit } from './spec.ts'

/** A request that waits for the Ledger. */
export interface Ask {
  /** Ours and random; the id of the reservation where tokens are taken. */
  readonly id: string
  readonly applied: readonly AppliedLimit[]
  /** One for each of `applied`; whole. */
  readonly costs: readonly number[]
  /** A key whose limits the Ledger is to add, its record being unknown. */
  readonly key: string | null
  /** Opened the moment its permits are granted. */
  readonly reservation: OpenedReservation | null
}

/** A request that waits, with what it has set aside and what it lacks. */
export interface Waiting extends Ask {
  readonly aside: readonly { readonly lessee: Lessee; readonly cost: number }[]
  readonly takes: readonly Take[]
  readonly missing: readonly Lessee[]
}

/** Requests of one isolate that wait for the Ledger. Permits in hand are set aside for them until it has answered. */
export class Asks {
  readonly #lessees: Lessees
  readonly #waiting = new Map<string, Waiting>()
  /** Whether the Ledger is to hear at once that a request has left. */
  tellSoon = false
  /** No longer waited for, but told of in the message under way. */
  readonly #left = new Map<string, Waiting>()

  constructor(lessees: Lessees) {
    this.#lessees = lessees
  }

  get size(): number {
    return this.#waiting.size
  }

  add(ask: Ask, nowMs: number): void {
    const aside: { lessee: Lessee; cost: number }[] = []
    const takes: Take[] = []
    const missing: Lessee[] = []
    for (const [at, limit] of ask.applied.entries()) {
      const cost = ask.costs[at] ?? 0
      const lessee = this.#lessees.of(limit, nowMs)
      if (lessee.check(cost, nowMs) === inHand) {
        lessee.setAside(cost)
        aside.push({ lessee, cost })
        continue
      }
      lessee.asked(cost, nowMs)
      takes.push({ counter: limit.counter, cost })
      missing.push(lessee)
    }
    this.#waiting.set(ask.id, { ...ask, aside, takes, missing })
  }

  /** Nobody waits for it any more; but it may be granted by the message under way. */
  cancel(id: string): void {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    this.#waiting.delete(id)
    this.#left.set(id, waiting)
    for (const { lessee, cost } of waiting.aside) lessee.freeAside(cost)
  }

  /** It has left without the Ledger's word: what it is granted later is as good as used. */
  forget(id: string): void {
    this.#left.delete(id)
  }

  /** What the next message asks for, the longest waiting first, as long as they are about few enough counters. */
  needs(max: number, lesseesMax: number): { readonly needs: Need[]; readonly lessees: Set<Lessee> } {
    this.#left.clear()
    this.tellSoon = false
    const needs: Need[] = []
    const lessees = new Set<Lessee>()
    for (const waiting of this.#waiting.values()) {
      if (needs.length >= max || lessees.size >= lesseesMax) break
      needs.push({ id: waiting.id, takes: waiting.takes, key: waiting.key })
      for (const lessee of waiting.missing) lessees.add(lessee)
      for (const { lessee } of waiting.aside) lessees.add(lessee)
    }
    return { needs, lessees }
  }

  /** Every request that waits. */
  all(): readonly Waiting[] {
    return [...this.#waiting.values()]
  }

  /**
   * Takes in the Ledger's answer to a need.
   * @returns the request and whether it may leave; `again` when what it had set aside was lost meanwhile; null when
   *   nobody asked
   */
  answer(
    answer: NeedAnswer,
    nowMs: number,
  ): { ask: Ask; left: boolean; result: 'granted' | 'refused' | 'again' } | null {
    const left = this.#left.get(answer.id)
    const ask = this.#waiting.get(answer.id) ?? left
    if (ask === undefined) return null
    this.#waiting.delete(answer.id)
    this.#left.delete(answer.id)
    if (answer.takes === null) return { ask, left: ask === left, result: this.#refuse(ask, answer, nowMs) }
    if (ask === left) return this.#unwanted(ask, answer, nowMs)
    if (!takeAside(ask, nowMs)) {
      this.add(ask, nowMs)
      return { ask, left: false, result: 'again' }
    }
    this.#grant(answer, nowMs)
    return { ask, left: false, result: 'granted' }
  }

  #refuse(ask: Waiting, answer: NeedAnswer, nowMs: number): 'refused' {
    for (const { lessee, cost } of ask.aside) lessee.freeAside(cost)
    const [only, ...others] = answer.violated
    const take = ask.takes.find(({ counter }) => counter === only)
    if (take !== undefined && others.length === 0 && answer.waitMs !== null) {
      this.#lessees.get(take.counter)?.refused(take.cost, answer.waitMs, nowMs)
    }
    return 'refused'
  }

  #grant(answer: NeedAnswer, nowMs: number): void {
    for (const limit of answer.limits) this.#lessees.of(limit, nowMs)
    for (const { counter, cost } of answer.takes ?? []) {
      const lessee = this.#lessees.get(counter)
      lessee?.granted(cost, nowMs)
      if (lessee !== undefined && isTight(lessee.spec, cost)) this.tellSoon = true
    }
  }

  #unwanted(ask: Ask, answer: NeedAnswer, nowMs: number): { ask: Ask; left: true; result: 'granted' } {
    for (const limit of answer.limits) this.#lessees.of(limit, nowMs)
    for (const { counter, cost } of answer.takes ?? []) this.#lessees.get(counter)?.unwanted(cost, nowMs)
    return { ask, left: true, result: 'granted' }
  }
}

/** Uses what a request has set aside: all of it, or none. */
function takeAside(ask: Waiting, nowMs: number): boolean {
  for (const [at, { lessee, cost }] of ask.aside.entries()) {
    if (lessee.takeAside(cost, nowMs)) continue
    for (const before of ask.aside.slice(0, at)) before.lessee.putBack(before.cost, nowMs)
    for (const after of ask.aside.slice(at)) after.lessee.freeAside(after.cost)
    return false
  }
  return true
}
