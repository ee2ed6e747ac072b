import { describe, expect, it } from 'vitest'
import type { SyncReply, SyncRequest } from '../../src/core/limit/messages.ts'
import { PermitBook, type BookLimits } from '../../src/core/limit/permit-book.ts'
import { PermitHolder } from '../../src/core/limit/permit-holder.ts'
import type { AppliedLimit } from '../../src/core/limit/spec.ts'
import { mostAtOnce, randomOf, slotSpec, type SlotRun } from './limit-slots-world.ts'

const keyMax = 3
const accountMax = 5
const ofAccount: AppliedLimit = { counter: 'account:streams', spec: slotSpec(accountMax), level: 'account' }
const ofKey = ['key:a:streams', 'key:b:streams'].map((counter): AppliedLimit => ({
  counter,
  spec: slotSpec(keyMax),
  level: 'key',
}))
const specs = new Map([...ofKey, ofAccount].map(({ counter, spec }) => [counter, spec]))
const limits: BookLimits = { specOf: (counter) => specs.get(counter) ?? null, limitsOfKey: () => null }

interface Isolate {
  readonly holder: PermitHolder
  readonly offsetMs: number
  cutUntilMs: number
  wakeAtMs: number
  readonly waiting: Map<string, readonly AppliedLimit[]>
}

type Uses = { fromMs: number; toMs: number }[]

interface Run {
  readonly uses: ReadonlyMap<string, SlotRun['uses']>
  readonly begun: number
  readonly outcomes: ReadonlySet<string>
}

/** Requests that need a slot of their key and one of the account, from the holder to the book of an account. */
class Composed {
  readonly #random: () => number
  readonly #rows = new Map<string, string>()
  readonly #uses = new Map<string, Uses>([...specs.keys()].map((counter) => [counter, []]))
  /** What is to happen, the latest first. */
  readonly #queue: { atMs: number; act: () => void }[] = []
  readonly #outcomes = new Set<string>()
  #nowMs = 0
  #boots = 0
  #begun = 0
  #book: PermitBook

  constructor(seed: number) {
    this.#random = randomOf(seed)
    this.#book = this.#restarted()
  }

  run(horizonMs: number): Run {
    const isolates = Array.from({ length: 3 }, (_, at): Isolate => {
      const offsetMs = this.#between(-3000, 3000)
      const holder = new PermitHolder(`isolate-${at}`)
      return { holder, offsetMs, cutUntilMs: 0, wakeAtMs: 0, waiting: new Map() }
    })
    for (const isolate of isolates) this.#arrivals(isolate, horizonMs)
    this.#trouble(isolates, horizonMs)
    for (
      let next = this.#queue.pop();
      next !== undefined && next.atMs <= horizonMs;
      next = this.#queue.pop()
    ) {
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.act()
    }
    return { uses: this.#uses, begun: this.#begun, outcomes: this.#outcomes }
  }

  #arrivals(isolate: Isolate, horizonMs: number): void {
    for (let atMs = this.#exponential(1500); atMs < horizonMs; atMs += this.#exponential(1500)) {
      this.#at(atMs, () => this.#arrive(isolate, `${isolate.offsetMs}-${atMs}`))
    }
  }

  #trouble(isolates: readonly Isolate[], horizonMs: number): void {
    for (let atMs = this.#exponential(15_000); atMs < horizonMs; atMs += this.#exponential(15_000)) {
      const isolate = isolates[Math.floor(this.#random() * isolates.length)]
      this.#at(atMs, () => {
        if (isolate === undefined || this.#random() < 0.5) this.#book = this.#restarted()
        else isolate.cutUntilMs = this.#nowMs + this.#between(0, 120_000)
      })
    }
  }

  #restarted(): PermitBook {
    this.#boots += 1
    const store = {
      counter: (id: string) => this.#rows.get(id) ?? null,
      saveCounter: (id: string, row: string) => void this.#rows.set(id, row),
    }
    return new PermitBook(store, `boot-${this.#boots}`, 1_000_000 + this.#nowMs)
  }

  #arrive(isolate: Isolate, id: string): void {
    const key = ofKey[Math.floor(this.#random() * ofKey.length)]
    if (key === undefined) return
    const applied = [key, ofAccount]
    const found = isolate.holder.take(applied, [1, 1], this.#local(isolate))
    this.#outcomes.add(found.kind)
    if (found.kind === 'taken') this.#begin(isolate, applied)
    else if (found.kind === 'ask') {
      isolate.waiting.set(id, applied)
      isolate.holder.ask({ id, applied, costs: [1, 1], key: null, reservation: null }, this.#local(isolate))
    }
    this.#tend(isolate)
  }

  #begin(isolate: Isolate, applied: readonly AppliedLimit[]): void {
    this.#begun += 1
    const ends: (() => void)[] = []
    const end = () => {
      for (const each of ends.splice(0)) each()
      this.#tend(isolate)
    }
    for (const { counter } of applied) {
      const use = { fromMs: this.#nowMs, toMs: Infinity }
      this.#uses.get(counter)?.push(use)
      const user = isolate.holder.hold(counter, () => {
        use.toMs = this.#nowMs
        this.#outcomes.add('lost')
        this.#at(this.#nowMs, end)
      })
      ends.push(() => {
        use.toMs = Math.min(use.toMs, this.#nowMs)
        if (user !== null) isolate.holder.free(counter, user, this.#local(isolate))
      })
    }
    this.#at(this.#nowMs + this.#exponential(this.#random() < 0.3 ? 90_000 : 1500), end)
  }

  /** Sends what is due, and looks again when the holder says so. */
  #tend(isolate: Isolate): void {
    const { holder } = isolate
    const local = this.#local(isolate)
    const wakeMs = holder.wakeMs(local)
    if (!holder.underWay && (holder.waiting > 0 || holder.refillDue(local))) this.#send(isolate)
    const pollMs = holder.failingSinceMs === null ? 60_000 : 500
    const atMs = this.#nowMs + Math.max(1, Math.min(pollMs, (wakeMs ?? Infinity) - local))
    isolate.wakeAtMs = atMs
    this.#at(atMs, () => {
      if (isolate.wakeAtMs === atMs) this.#tend(isolate)
    })
  }

  #send(isolate: Isolate): void {
    const { holder } = isolate
    const request = holder.message(this.#local(isolate), { sequence: null, keys: [] })
    const lost = () => this.#random() < 0.05 || this.#nowMs < isolate.cutUntilMs
    if (!lost()) {
      this.#at(this.#nowMs + this.#delay(), () => {
        const reply = this.#serve(request)
        if (!lost()) this.#at(this.#nowMs + this.#delay(), () => this.#answer(isolate, reply))
      })
    }
    if (this.#random() < 0.05) this.#at(this.#nowMs + this.#between(1, 3000), () => this.#serve(request))
    this.#at(this.#nowMs + 1000, () => {
      if (holder.seq !== request.seq || !holder.underWay) return
      for (const { id, outcome } of holder.failed(this.#local(isolate)))
        this.#settled(isolate, id, outcome.kind)
      this.#tend(isolate)
    })
  }

  #serve(request: SyncRequest): SyncReply {
    const { grants, needs, acknowledged } = this.#book.serve(request, limits, 1_000_000 + this.#nowMs)
    const boot = `boot-${this.#boots}`
    return { v: 1, boot, seq: request.seq, grants, needs, acknowledged, account: null, keys: [] }
  }

  #answer(isolate: Isolate, reply: SyncReply): void {
    for (const { id, outcome } of isolate.holder.apply(reply, this.#local(isolate))) {
      this.#settled(isolate, id, outcome.kind)
    }
    this.#tend(isolate)
  }

  #settled(isolate: Isolate, id: string, kind: string): void {
    this.#outcomes.add(`waited, ${kind}`)
    const applied = isolate.waiting.get(id)
    if (kind === 'ask') return
    isolate.waiting.delete(id)
    if (kind === 'taken' && applied !== undefined) this.#begin(isolate, applied)
  }

  #at(atMs: number, act: () => void): void {
    let low = 0
    let high = this.#queue.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#queue[middle]?.atMs ?? 0) > atMs) low = middle + 1
      else high = middle
    }
    this.#queue.splice(low, 0, { atMs, act })
  }

  #local(isolate: Isolate): number {
    return 1_000_000 + this.#nowMs + isolate.offsetMs
  }

  #between(low: number, high: number): number {
    return low + this.#random() * (high - low)
  }

  #exponential(mean: number): number {
    return -Math.log(1 - this.#random()) * mean
  }

  #delay(): number {
    return this.#random() < 0.1 ? this.#between(100, 1500) : this.#between(1, 60)
  }
}

describe('slots of a key and its account, taken together', { timeout: 60_000 }, () => {
  it('are never in use beyond either limit, whatever goes wrong', () => {
    const outcomes = new Set<string>()
    let begun = 0
    for (let seed = 1; seed <= 50; seed += 1) {
      const run = new Composed(seed).run(300_000)
      for (const [counter, uses] of run.uses) {
        expect([seed, counter, mostAtOnce(uses)]).toEqual([
          seed,
          counter,
          Math.min(mostAtOnce(uses), specs.get(counter)?.max ?? 0),
        ])
      }
      for (const outcome of run.outcomes) outcomes.add(outcome)
      begun += run.begun
    }
    expect(begun).toBeGreaterThan(1200)
    expect([...outcomes].toSorted()).toEqual(
      expect.arrayContaining(['taken', 'ask', 'denied', 'lost', 'waited, taken', 'waited, denied']),
    )
  })
})
