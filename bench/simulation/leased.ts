import type { SyncReply, SyncRequest } from '../../src/core/limit/messages.ts'
import { PermitBook, type BookLimits, type BookStore } from '../../src/core/limit/permit-book.ts'
import { PermitHolder, type Taken } from '../../src/core/limit/permit-holder.ts'
import { keyCounter, type AppliedLimit } from '../../src/core/limit/spec.ts'
import { serviceMs } from './per-request.ts'
import { ReservationMemory } from './reservation-memory.ts'
import type { Isolate, Limiting, Surroundings } from './simulate.ts'

/** Cloudflare takes a Durable Object out of memory after so long without a request. */
const hibernationMs = 10_000

/** The gateway's own limiter: permits leased from a Ledger, with the code that runs in production on both sides. */
export class Leased implements Limiting {
  readonly #surroundings: Surroundings
  readonly #ledgers: readonly LedgerModel[]
  readonly #isolates = new Map<string, Map<number, IsolateLink>>()

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings
    this.#ledgers = surroundings.keys.map(({ spec }) => {
      const applied: AppliedLimit = { counter: keyCounter('k', spec.name), spec, level: 'key' }
      return new LedgerModel(surroundings, [applied])
    })
  }

  get calls(): number {
    return this.#ledgers.reduce((sum, { calls }) => sum + calls, 0)
  }

  get writes(): number {
    return this.#ledgers.reduce((sum, { writes }) => sum + writes, 0)
  }

  forget(isolate: Isolate): void {
    for (const link of this.#isolates.get(isolate.name)?.values() ?? []) link.die()
    this.#isolates.delete(isolate.name)
  }

  ask(isolate: Isolate, key: number, decided: (admitted: boolean) => void): void {
    const ledger = this.#ledgers[key]
    const hub = this.#surroundings.keys[key]?.hub
    if (ledger === undefined || hub === undefined) return
    const links = this.#isolates.get(isolate.name) ?? new Map<number, IsolateLink>()
    this.#isolates.set(isolate.name, links)
    const link = links.get(key) ?? new IsolateLink(this.#surroundings, ledger, { isolate, hub })
    links.set(key, link)
    link.ask(decided)
  }
}

/** A Durable Object with the Ledger's book in it: calls wait for each other, and silence makes it forget. */
export class LedgerModel {
  calls = 0
  writes = 0
  readonly applied: readonly AppliedLimit[]
  readonly #surroundings: Pick<Surroundings, 'queue'>
  readonly #rows = new Map<string, string>()
  readonly #store: BookStore
  readonly #limits: BookLimits
  readonly #reservations = new ReservationMemory()
  #book: PermitBook | null = null
  #lives = 0
  #freeMs = 0
  #askedMs = 0

  constructor(surroundings: Pick<Surroundings, 'queue'>, applied: readonly AppliedLimit[]) {
    this.#surroundings = surroundings
    this.applied = applied
    this.#store = {
      counter: (id) => this.#rows.get(id) ?? null,
      saveCounter: (id, row) => {
        this.#rows.set(id, row)
        this.writes += 1
      },
    }
    this.#limits = {
      specOf: (counter) => applied.find((each) => each.counter === counter)?.spec ?? null,
      limitsOfKey: () => applied,
    }
  }

  /** Serves a message that arrives now; `replied` is called when its reply leaves. */
  call(request: SyncRequest, replied: (reply: SyncReply) => void): void {
    const { queue } = this.#surroundings
    this.calls += 1
    this.#freeMs = Math.max(this.#freeMs, queue.nowMs) + serviceMs
    queue.at(this.#freeMs, () => {
      const nowMs = queue.nowMs
      if (this.#book === null || nowMs - this.#askedMs > hibernationMs) {
        this.#lives += 1
        this.#book = new PermitBook(this.#store, `life ${this.#lives}`, nowMs, this.#reservations)
      }
      this.#askedMs = nowMs
      const served = this.#book.serve(request, this.#limits, nowMs)
      replied({ v: 1, boot: `life ${this.#lives}`, seq: request.seq, ...served, account: null, keys: [] })
    })
  }
}

/** An isolate's link to one Ledger, as the platform has it: one message at a time, what waits goes with the next. */
class IsolateLink {
  readonly #surroundings: Surroundings
  readonly #ledger: LedgerModel
  readonly #from: { readonly isolate: Isolate; readonly hub: number }
  readonly #holder: PermitHolder
  readonly #waiting = new Map<string, (admitted: boolean) => void>()
  readonly #costs: readonly number[]
  #asked = 0
  #dead = false

  constructor(
    surroundings: Surroundings,
    ledger: LedgerModel,
    from: { readonly isolate: Isolate; readonly hub: number },
  ) {
    this.#surroundings = surroundings
    this.#ledger = ledger
    this.#from = from
    this.#holder = new PermitHolder(from.isolate.name)
    this.#costs = ledger.applied.map(() => 1)
  }

  die(): void {
    this.#dead = true
  }

  ask(decided: (admitted: boolean) => void): void {
    const { nowMs } = this.#surroundings.queue
    const { applied } = this.#ledger
    const found = this.#holder.take(applied, this.#costs, nowMs)
    if (found.kind === 'ask') {
      this.#asked += 1
      const id = String(this.#asked)
      this.#waiting.set(id, decided)
      this.#holder.ask({ id, applied, costs: this.#costs, key: null, reservation: null }, nowMs)
    } else decided(isTaken(found))
    if (this.#holder.waiting > 0 || this.#holder.refillDue(nowMs)) this.#send()
  }

  #send(): void {
    const { queue, world } = this.#surroundings
    if (this.#holder.underWay || this.#dead) return
    const { isolate, hub } = this.#from
    const halfMs = world.roundTripMs(isolate.colo, hub) / 2
    const request = this.#holder.message(queue.nowMs, { sequence: null, keys: [] })
    queue.at(queue.nowMs + halfMs, () =>
      this.#ledger.call(request, (reply) => queue.at(queue.nowMs + halfMs, () => this.#take(reply))),
    )
  }

  #take(reply: SyncReply): void {
    const { nowMs } = this.#surroundings.queue
    for (const { id, outcome } of this.#holder.apply(reply, nowMs)) {
      if (outcome.kind === 'ask') continue
      this.#waiting.get(id)?.(isTaken(outcome))
      this.#waiting.delete(id)
    }
    // A reply that came too late brings nothing; what waits is asked for again.
    if (this.#holder.waiting > 0) this.#send()
  }
}

function isTaken({ kind }: Taken): boolean {
  return kind === 'taken'
}
