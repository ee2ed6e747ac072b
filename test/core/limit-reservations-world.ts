import type { OpenedReservation, SettledReservation, Take } from '../../src/core/limit/messages.ts'
import {
  ReservationBook,
  repeatedMs,
  type ReservationBatch,
  type Settlements,
} from '../../src/core/limit/reservations.ts'
import { ReservationOutbox } from '../../src/core/limit/reservations-outbox.ts'
import { ChargeBook, RowStore } from './limit-reservations-fakes.ts'
import { randomOf } from './limit-slots-world.ts'

/** Ways in which it could be wrong, each of which the model has to find. */
export type ReservationMutant =
  | 'ids of settlements are forgotten'
  | 'the alarm forgets the reservation'
  | 'the alarm settles again'
  | 'counters outlive a crash that undid the rows'
  | 'an acknowledgement is for everything said of the id'
  | 'nothing is repeated'
  | 'a settlement needs its reservation'

export interface ReservationWorld {
  readonly seed: number
  readonly steps: number
  /** Whether a restart forfeits what could have been given back. */
  readonly forfeits: boolean
  readonly mutant?: ReservationMutant
}

/** What truly became of a reservation. */
interface Truth {
  readonly speaker: Speaker
  opened: OpenedReservation
  settled: SettledReservation | null
  /** Whether the Ledger has taken in the settlement. */
  heard: boolean
  /** Whether the Ledger ever knew of it. */
  known: boolean
}

interface Speaker {
  readonly id: string
  readonly outbox: ReservationOutbox
  seq: number
  alive: boolean
}

interface Sent {
  readonly speaker: Speaker
  readonly seq: number
  readonly batch: ReservationBatch
}

/** Runs isolates against a Ledger with everything that can go wrong. @returns what does not hold */
export function runReservations(world: ReservationWorld): readonly string[] {
  return new ReservationRun(world).run()
}

const tokensOf = (takes: readonly Take[]) => ({
  inputTokens: 0,
  outputTokens: takes[0]?.cost ?? 0,
  microUsd: null,
})

/** What is done at random; what stands here more often is done more often. */
const plan = [
  'reserve',
  'reserve',
  'extend',
  'settle',
  'settle',
  'send',
  'send',
  'deliver',
  'deliver',
  'deliver',
  'alarm',
  'wait',
  'restart',
  'die',
] as const

class ReservationRun {
  readonly #world: ReservationWorld
  readonly #random: () => number
  readonly #counters: ChargeBook
  readonly #store = new RowStore()
  readonly #truths: Truth[] = []
  readonly #usage = new Map<string, { counted: number; tokens: number }>()
  readonly #post: Sent[] = []
  readonly #problems: string[] = []
  readonly #speakers: Speaker[] = []
  #heardSeq = new Map<string, number>()
  #nowMs = 1_000_000
  #boots = 0
  #book: ReservationBook

  constructor(world: ReservationWorld) {
    this.#world = world
    this.#random = randomOf(world.seed)
    this.#counters = new ChargeBook(world.forfeits)
    this.#book = new ReservationBook(this.#store, this.#counters)
    if (this.#is('ids of settlements are forgotten')) {
      this.#store.saves = (row) => (row.state === 'settled' ? null : row)
    } else if (this.#is('the alarm forgets the reservation')) {
      this.#store.saves = (row) => (row.state === 'lost' ? null : row)
    } else if (this.#is('the alarm settles again')) {
      this.#store.saves = (row) => (row.state === 'lost' ? { ...row, state: 'open' } : row)
    }
    this.#begin()
    this.#begin()
  }

  run(): readonly string[] {
    for (let step = 0; step < this.#world.steps && this.#problems.length === 0; step += 1) {
      this.#step(this.#pick(plan) ?? 'wait')
      if (step % 10 === 0) this.#check()
    }
    const flushedMs = this.#nowMs
    for (let round = 0; round < 60; round += 1) {
      for (const speaker of this.#speakers) if (speaker.alive) this.#deliver(this.#send(speaker))
      if (round > 30) this.#nowMs += 10_000
      this.#event(() => this.#book.alarm(this.#nowMs))
    }
    for (const sent of this.#post) this.#deliver(sent)
    for (let round = 0; round < 10; round += 1) this.#event(() => this.#book.alarm(this.#nowMs))
    this.#check()
    this.#checkEnd(flushedMs)
    return [...this.#problems, ...this.#counters.problems]
  }

  #step(step: (typeof plan)[number]): void {
    if (step === 'reserve') this.#reserve()
    else if (step === 'extend') this.#extend()
    else if (step === 'settle') this.#settle()
    else if (step === 'send' || step === 'deliver') this.#mail(step)
    else if (step === 'alarm') this.#alarm()
    else if (step === 'wait') this.#nowMs += this.#pick([100, 2000, 30_000, 300_000]) ?? 0
    else if (step === 'die') this.#die()
    else if (this.#often(0.3)) this.#restart()
  }

  #reserve(): void {
    const speaker = this.#pick(this.#speakers.filter(({ alive }) => alive))
    if (speaker === undefined) return
    const id = `r${this.#truths.length}`
    const takes = [
      { counter: `${id}-tokens`, cost: 1 + this.#below(1000) },
      { counter: `${id}-money`, cost: 1 + this.#below(500) },
    ]
    for (const take of takes) this.#counters.take(take)
    const deadlineMs = this.#nowMs + 1000 + this.#below(120_000)
    const opened = { id, takes, deadlineMs, key: 'k', route: 'r', model: null, ...tokensOf(takes) }
    this.#truths.push({ speaker, opened, settled: null, heard: false, known: false })
    speaker.outbox.open(opened, this.#nowMs)
  }

  /** One more slice. */
  #extend(): void {
    const truth = this.#running()
    const [tokens, money] = truth?.opened.takes ?? []
    if (truth === undefined || tokens === undefined || money === undefined) return
    const more = 1 + this.#below(300)
    this.#counters.take({ counter: tokens.counter, cost: more })
    const takes = [{ ...tokens, cost: tokens.cost + more }, money]
    truth.opened = { ...truth.opened, takes, ...tokensOf(takes) }
    truth.speaker.outbox.open(truth.opened, this.#nowMs)
  }

  #settle(): void {
    const truth = this.#running()
    if (truth === undefined) return
    const { opened, speaker } = truth
    const costs = opened.takes.map(({ counter, cost }) => ({
      counter,
      cost: this.#pick([0, cost, this.#below(cost), cost + this.#below(500)]) ?? 0,
    }))
    const endedMs = this.#nowMs
    truth.settled = { ...opened, costs, ...tokensOf(costs), source: 'measured', endedMs }
    speaker.outbox.settle(truth.settled, this.#nowMs)
  }

  /** Any message on its way arrives, not the oldest; some are lost, and some come again. */
  #mail(step: 'send' | 'deliver'): void {
    const speaker = this.#pick(this.#speakers.filter(({ alive }) => alive))
    if (step === 'send' && speaker !== undefined) this.#post.push(this.#send(speaker))
    const at = this.#below(this.#post.length)
    const sent = this.#post[at]
    if (step === 'send' || sent === undefined) return
    if (!this.#often(0.15)) this.#post.splice(at, 1)
    if (!this.#often(0.1)) this.#deliver(sent)
  }

  #alarm(): void {
    this.#event(() => this.#book.alarm(this.#nowMs))
    if (this.#often(0.5)) this.#event(() => this.#book.alarm(this.#nowMs))
  }

  #die(): void {
    const speaker = this.#often(0.15) ? this.#pick(this.#speakers) : undefined
    if (speaker === undefined) return
    speaker.alive = false
    this.#begin()
  }

  #begin(): void {
    const id = `isolate-${this.#speakers.length}`
    this.#speakers.push({ id, outbox: new ReservationOutbox(), seq: 0, alive: true })
  }

  #restart(): void {
    this.#boots += 1
    this.#counters.boot = `boot-${this.#boots}`
    this.#heardSeq = new Map()
    this.#book = new ReservationBook(this.#store, this.#counters)
  }

  #send(speaker: Speaker): Sent {
    speaker.seq += 1
    const batch = speaker.outbox.batch(this.#nowMs)
    const ids = [...batch.opened, ...batch.settled].map(({ id }) => id)
    if (this.#is('nothing is repeated')) speaker.outbox.acknowledge(batch, ids)
    return { speaker, seq: speaker.seq, batch }
  }

  #deliver({ speaker, seq, batch }: Sent): void {
    if (seq <= (this.#heardSeq.get(speaker.id) ?? 0)) return
    const { opened } = batch
    const settled = this.#is('a settlement needs its reservation')
      ? batch.settled.filter(({ id }) => this.#store.rows.has(id))
      : batch.settled
    const came = this.#event(() => {
      this.#heardSeq.set(speaker.id, seq)
      return this.#book.hear({ opened, settled }, this.#nowMs)
    })
    if (came === null || this.#often(0.2)) return
    const everything = this.#is('an acknowledgement is for everything said of the id')
    const told = everything ? speaker.outbox.batch(this.#nowMs) : batch
    speaker.outbox.acknowledge(told, came.acknowledged)
  }

  /** One event of the Ledger: all of it happens, or the Ledger crashes and none of it does. */
  #event(act: () => Settlements): Settlements | null {
    const rows = new Map(this.#store.rows)
    const charged = new Map(this.#counters.charged)
    const claims = new Map(this.#counters.claims)
    const came = act()
    if (this.#often(0.1)) {
      this.#store.rows = rows
      if (!this.#is('counters outlive a crash that undid the rows')) {
        this.#counters.charged = charged
        this.#counters.claims = claims
      }
      this.#restart()
      return null
    }
    this.#note(came)
    if (this.#often(0.05)) this.#restart()
    return came
  }

  #note({ settled, withdrawn }: Settlements): void {
    for (const each of settled) this.#count(each, 1)
    for (const each of withdrawn) this.#count(each, -1)
    const heard = new Set(settled.filter(({ source }) => source !== 'lost').map(({ id }) => id))
    for (const truth of this.#truths) {
      truth.heard ||= heard.has(truth.opened.id)
      truth.known ||= this.#store.rows.has(truth.opened.id)
    }
  }

  #count({ id, outputTokens }: SettledReservation, by: 1 | -1): void {
    const before = this.#usage.get(id) ?? { counted: 0, tokens: 0 }
    this.#usage.set(id, { counted: before.counted + by, tokens: before.tokens + by * outputTokens })
  }

  #check(): void {
    for (const { opened, settled, heard } of this.#truths) {
      for (const { counter, cost } of opened.takes) {
        const actual = settled?.costs.find((take) => take.counter === counter)?.cost ?? cost
        this.#checkCharge(counter, { cost, actual, heard })
      }
      const { counted, tokens } = this.#usage.get(opened.id) ?? { counted: 0, tokens: 0 }
      if (counted > 1 || counted < 0) this.#problems.push(`${opened.id}: counted ${counted} times`)
      if (heard && tokens !== settled?.outputTokens) this.#problems.push(`${opened.id}: wrong usage`)
    }
  }

  #checkCharge(
    counter: string,
    { cost, actual, heard }: { cost: number; actual: number; heard: boolean },
  ): void {
    const charged = this.#counters.of(counter)
    const right = heard ? actual : cost
    if (charged === right) return
    if (this.#world.forfeits && heard && charged > actual && charged <= cost) return
    this.#problems.push(`${counter}: ${charged}, not ${right}`)
  }

  #checkEnd(flushedMs: number): void {
    for (const { speaker, opened, settled, heard, known } of this.#truths) {
      const { counted } = this.#usage.get(opened.id) ?? { counted: 0 }
      const isOver = opened.deadlineMs <= this.#nowMs
      if (known && isOver && counted !== 1) this.#problems.push(`${opened.id}: never counted`)
      const repeated = speaker.alive && flushedMs < opened.deadlineMs + repeatedMs
      if (repeated && settled !== null && !heard) this.#problems.push(`${opened.id}: never settled`)
    }
  }

  #running(): Truth | undefined {
    return this.#pick(this.#truths.filter(({ speaker, settled }) => speaker.alive && settled === null))
  }

  #is(mutant: ReservationMutant): boolean {
    return this.#world.mutant === mutant
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count)
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[this.#below(list.length)]
  }

  #often(share: number): boolean {
    return this.#random() < share
  }
}
