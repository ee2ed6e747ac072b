import type { Charge, Counter, Counters, Spent } from './counter/counter.ts'
import { openCounter } from './counter/open-counter.ts'
import type { Holding, Take } from './messages.ts'
import type { AppliedLimit, LimitSpec } from './spec.ts'

const countersMax = 10_000

/** Where the rows of an account's counters are. Synchronous; a row saved is durable before the reply leaves. */
export interface BookStore {
  counter(id: string): string | null
  saveCounter(id: string, row: string): void
}

/** The Ledger's word on limits. */
export interface BookLimits {
  /** The limit of a `key:` or `account:` counter; null when there is none. Not asked about others. */
  specOf(counter: string): LimitSpec | null
  /** Limits on requests and on concurrent requests of a key and its account; null when there is no such key. */
  limitsOfKey(keyId: string): readonly AppliedLimit[] | null
}

/** The counters of an account, and what the message being served does to them. */
export class BookCounters implements Counters {
  readonly #store: BookStore
  readonly #boot: string
  readonly #counters = new Map<string, Counter>()
  readonly #restless = new Map<string, Counter>()
  readonly #touched = new Map<string, Counter>()
  /** What the message says was used for certain, and no reservation has claimed. */
  readonly #spent = new Map<string, Spent>()
  #limits: BookLimits | null = null
  #specs: ReadonlyMap<string, LimitSpec> = new Map()
  #nowMs: number

  constructor(store: BookStore, boot: string, nowMs: number) {
    this.#store = store
    this.#boot = boot
    this.#nowMs = nowMs
  }

  /** Whether `rest` would store anything. */
  get restless(): boolean {
    return this.#restless.size > 0
  }

  /** The authority's time, which never goes back. */
  advance(nowMs: number): number {
    this.#nowMs = Math.max(this.#nowMs, nowMs)
    return this.#nowMs
  }

  /** A message begins. Limits of routes are as it has them. */
  begin(limits: BookLimits, holdings: readonly Holding[]): void {
    this.#limits = limits
    this.#specs = new Map(holdings.map(({ counter, spec }) => [counter, spec]))
    this.#touched.clear()
    this.#spent.clear()
  }

  /** A counter that the message is about; null when its limit is no more. */
  touch(id: string): Counter | null {
    const touched = this.#touched.get(id)
    if (touched !== undefined) return touched
    const spec = isOurs(id) ? this.#limits?.specOf(id) : (this.#specs.get(id) ?? this.#counters.get(id)?.spec)
    if (spec === null || spec === undefined) return null
    const counter = this.open(id, spec)
    this.#touched.set(id, counter)
    return counter
  }

  /** A counter at the present time. */
  open(id: string, spec: LimitSpec): Counter {
    const known = this.#counters.get(id)
    if (known !== undefined && known.spec.kind === spec.kind) {
      known.advance(this.#nowMs)
      if (!isSame(known.spec, spec)) known.change(spec)
      return known
    }
    if (this.#counters.size >= countersMax) this.#forget()
    const start = { row: this.#store.counter(id), boot: this.#boot, nowMs: this.#nowMs }
    const counter = openCounter(spec, start)
    counter.advance(this.#nowMs)
    this.#counters.set(id, counter)
    return counter
  }

  /** Notes what was used for certain, at the oldest place that it is charged to. */
  spend(id: string, { amount, place }: Spent): void {
    if (amount <= 0) return
    const before = this.#spent.get(id)
    if (before === undefined) this.#spent.set(id, { amount, place })
    else this.#spent.set(id, { amount: before.amount + amount, place: Math.min(before.place, place) })
  }

  claim({ counter: id, cost }: Take): Charge | null {
    const counter = this.touch(id)
    const spent = this.#spent.get(id)
    if (counter === null || spent === undefined) return null
    const amount = Math.min(cost, spent.amount)
    if (amount === spent.amount) this.#spent.delete(id)
    else this.#spent.set(id, { ...spent, amount: spent.amount - amount })
    return { amount, place: counter.claim({ amount, place: spent.place }), boot: this.#boot }
  }

  refund(id: string, charge: Charge, amount: number): void {
    this.touch(id)?.refund(charge, amount)
  }

  extra(id: string, amount: number): void {
    this.touch(id)?.extra(amount)
  }

  /** Stores what has to be stored before the reply leaves. */
  save(): void {
    for (const [id, counter] of this.#touched) {
      const row = counter.row()
      if (row !== null) this.#store.saveCounter(id, row)
      this.#restless.set(id, counter)
    }
  }

  /** Stores how everything stands exactly. */
  rest(): void {
    for (const [id, counter] of this.#restless) {
      counter.advance(this.#nowMs)
      const row = counter.restingRow()
      if (row !== null) this.#store.saveCounter(id, row)
    }
    this.#restless.clear()
  }

  #forget(): void {
    this.rest()
    for (const [id, counter] of this.#counters) {
      counter.advance(this.#nowMs)
      if (counter.idle()) this.#counters.delete(id)
    }
  }
}

/** Whether the Ledger knows the limit of a counter itself; those of routes come with the messages. */
export function isOurs(counter: string): boolean {
  return counter.startsWith('key:') || counter.startsWith('account:')
}

function isSame(a: LimitSpec, b: LimitSpec): boolean {
  if (a === b) return true
  return (
    a.max === b.max &&
    a.periodMs === b.periodMs &&
    a.burst === b.burst &&
    a.calendar === b.calendar &&
    a.durability === b.durability &&
    a.name === b.name &&
    a.onFailure === b.onFailure &&
    a.reserve === b.reserve
  )
}
