import { EventQueue } from '../../bench/simulation/event-queue.ts'
import type { Admit } from '../../bench/simulation/judge.ts'
import { ReservationMemory } from '../../bench/simulation/reservation-memory.ts'
import type { OpenedReservation, SyncReply, SyncRequest } from '../../src/core/limit/messages.ts'
import type { PermitBook } from '../../src/core/limit/permit-book.ts'
import type { PermitHolder } from '../../src/core/limit/permit-holder.ts'
import type { AppliedLimit, LimitSpec } from '../../src/core/limit/spec.ts'
import type { Asker, Plan } from './limits-plan.ts'
import type { Random } from './limits-random.ts'

/** The code under test, so that a test can put faulty code in its place. */
export interface Subject {
  readonly PermitBook: typeof PermitBook
  readonly PermitHolder: typeof PermitHolder
}

/** What came of a schedule. */
export interface Run {
  /** Of each counter: what left the isolates, in the order of time. */
  readonly admits: ReadonlyMap<string, { readonly spec: LimitSpec; readonly admits: readonly Admit[] }>
  /** Times the Ledger ended without notice. */
  readonly crashes: number
  /** Times it did not answer for a while. */
  readonly outages: number
  readonly asked: number
  readonly admitted: number
  readonly denied: number
  readonly calls: number
}

interface Isolate {
  readonly holder: PermitHolder
  readonly drift: number
  readonly offsetMs: number
  lastMs: number
  alive: boolean
}

/** A request, from when it asks. */
interface Asked {
  readonly id: string
  readonly isolate: Isolate
  readonly applied: readonly AppliedLimit[]
  /** What it takes of each limit, and what it will have used; less only where it reserves. */
  readonly cost: number
  readonly uses: number
}

const restAfterMs = 5000
const sleepAfterMs = 10_000

/** Isolates, a Ledger and the network between them, all of it as the plan and the seed have it. */
export class World {
  readonly #subject: Subject
  readonly #plan: Plan
  readonly #random: Random
  readonly #queue: EventQueue
  readonly #rows = new Map<string, string>()
  readonly #reservations = new ReservationMemory()
  readonly #admits = new Map<string, { spec: LimitSpec; admits: Admit[] }>()
  readonly #specs = new Map<string, LimitSpec>()
  readonly #isolates: Isolate[] = []
  readonly #waiting = new Map<string, Asked>()
  readonly #answered = new Map<Isolate, number>()
  #book: PermitBook
  #boots = 0
  #servedMs: number
  #outUntilMs = 0
  #born = 0
  readonly #count = { crashes: 0, asked: 0, admitted: 0, denied: 0, calls: 0, outages: 0 }

  constructor(subject: Subject, plan: Plan, random: Random) {
    this.#subject = subject
    this.#plan = plan
    this.#random = random
    this.#queue = new EventQueue(plan.startMs)
    this.#servedMs = plan.startMs
    this.#book = this.#boot()
    for (const { applied } of plan.askers) {
      for (const { counter, spec } of applied) {
        this.#specs.set(counter, spec)
        this.#admits.set(counter, { spec, admits: [] })
      }
    }
    for (let at = 0; at < plan.isolates; at += 1) this.#isolates.push(this.#isolate())
  }

  run(): Run {
    const { phases, lastsMs, startMs, faults } = this.#plan
    let afterMs = 0
    for (const { everyMs, lastsMs: phaseMs } of phases) {
      this.#arrivals(afterMs, afterMs + phaseMs, everyMs)
      afterMs += phaseMs
    }
    this.#repeatedly(faults.crashEveryMs, () => this.#crash())
    this.#repeatedly(faults.outageEveryMs, () => this.#fail())
    this.#repeatedly(faults.deathEveryMs, () => this.#die())
    this.#queue.run(startMs + lastsMs + 5000)
    return { admits: this.#admits, ...this.#count }
  }

  #arrivals(fromMs: number, untilMs: number, everyMs: number): void {
    if (everyMs === Infinity) return
    const { even, isolates } = this.#plan
    const waitMs = (): number => (even ? everyMs : this.#random.waitMs(everyMs))
    let count = 0
    for (let ms = fromMs + waitMs(); ms < untilMs; ms += waitMs()) {
      const at = even ? count % isolates : null
      count += 1
      this.#queue.after(ms, () => {
        const isolate = at === null ? this.#random.pick(this.#isolates) : this.#isolates[at]
        if (isolate !== undefined) this.#ask(isolate, this.#random.pick(this.#plan.askers))
      })
    }
  }

  #repeatedly(everyMs: number, action: () => void): void {
    if (everyMs === Infinity) return
    this.#queue.after(this.#random.waitMs(everyMs), () => {
      action()
      this.#repeatedly(everyMs, action)
    })
  }

  #isolate(): Isolate {
    this.#born += 1
    return {
      holder: new this.#subject.PermitHolder(`i${this.#born}`),
      drift: this.#random.between(-0.0002, 0.0002),
      offsetMs: this.#random.between(-5000, 5000),
      lastMs: 0,
      alive: true,
    }
  }

  /** An isolate's clock: it drifts, stands still for up to 20 ms, and never goes back. */
  #clock(isolate: Isolate): number {
    const elapsedMs = this.#queue.nowMs - this.#plan.startMs
    const stale = this.#random.chance(0.5) ? this.#random.between(0, 20) : 0
    const nowMs = this.#queue.nowMs + elapsedMs * isolate.drift + isolate.offsetMs - stale
    isolate.lastMs = Math.max(isolate.lastMs, Math.floor(nowMs))
    return isolate.lastMs
  }

  #ask(isolate: Isolate, { applied, costMax }: Asker): void {
    const cost = this.#random.whole(1, costMax)
    const uses = this.#plan.reserves ? this.#random.whole(0, cost) : cost
    this.#count.asked += 1
    const asked: Asked = { id: `r${this.#count.asked}`, isolate, applied, cost, uses }
    const costs = applied.map(() => cost)
    const nowMs = this.#clock(isolate)
    const outcome = isolate.holder.take(applied, costs, nowMs)
    if (outcome.kind === 'ask') {
      const reservation = this.#plan.reserves ? reservationOf(asked, nowMs) : null
      isolate.holder.ask({ id: asked.id, applied, costs, key: null, reservation }, nowMs)
      this.#waiting.set(asked.id, asked)
      if (this.#random.chance(this.#plan.faults.cancels)) this.#cancelLater(asked)
      if (!isolate.holder.underWay || this.#random.chance(this.#plan.faults.overlaps)) this.#send(isolate)
      return
    }
    if (outcome.kind === 'taken') {
      if (this.#plan.reserves) isolate.holder.open(reservationOf(asked, nowMs), nowMs)
      this.#leave(asked)
    } else this.#count.denied += 1
    if (isolate.holder.refillDue(nowMs)) this.#send(isolate)
  }

  #cancelLater({ id, isolate }: Asked): void {
    this.#queue.after(this.#random.between(0, 500), () => {
      if (isolate.alive && this.#waiting.delete(id)) isolate.holder.cancel(id)
    })
  }

  /** A request leaves its isolate; what it uses counts from here. */
  #leave({ id, isolate, applied, cost, uses }: Asked): void {
    this.#count.admitted += 1
    for (const { counter } of applied) {
      this.#admits.get(counter)?.admits.push({ atMs: this.#queue.nowMs, cost: uses })
    }
    if (!this.#plan.reserves) return
    this.#queue.after(this.#random.waitMs(3000), () => {
      if (!isolate.alive) return
      const nowMs = this.#clock(isolate)
      const costs = applied.map(({ counter }) => ({ counter, cost: uses }))
      const opened = reservationOf({ id, isolate, applied, cost, uses }, nowMs)
      isolate.holder.settle({ ...opened, costs, source: 'measured', endedMs: nowMs }, nowMs)
      this.#queue.after(2000, () => {
        if (isolate.alive && isolate.holder.refillDue(this.#clock(isolate))) this.#send(isolate)
      })
    })
  }

  #send(isolate: Isolate): void {
    const { faults, timeoutMs } = this.#plan
    const request = isolate.holder.message(this.#clock(isolate), { sequence: null, keys: [] })
    this.#count.calls += 1
    this.#queue.after(timeoutMs, () => this.#timeOut(isolate, request.seq))
    if (this.#random.chance(faults.repeats)) {
      this.#queue.after(this.#random.between(0, 3000), () =>
        this.#serve(isolate, request, this.#random.chance(0.5)),
      )
    }
    if (this.#queue.nowMs < this.#outUntilMs || this.#random.chance(faults.lostRequests)) return
    this.#queue.after(this.#delayMs(), () => this.#serve(isolate, request, true))
  }

  #delayMs(): number {
    const { delayMs, spikes } = this.#plan.faults
    return this.#random.chance(spikes)
      ? this.#random.between(0, 2000)
      : this.#random.between(0.5, 1.5) * delayMs * 0.5
  }

  #serve(isolate: Isolate, request: SyncRequest, answers: boolean): void {
    this.#wake()
    this.#servedMs = this.#queue.nowMs
    const specOf = (counter: string): LimitSpec | null => this.#specs.get(counter) ?? null
    const limits = { specOf, limitsOfKey: () => [] }
    const served = this.#book.serve(copyOf(request), limits, this.#queue.nowMs)
    const { grants, needs, acknowledged } = served
    if (!answers || this.#random.chance(this.#plan.faults.lostReplies)) return
    const boot = `b${this.#boots}`
    const reply: SyncReply = {
      v: 1,
      boot,
      seq: request.seq,
      grants,
      needs,
      acknowledged,
      account: null,
      keys: [],
    }
    this.#queue.after(this.#delayMs(), () => this.#take(isolate, reply))
  }

  #take(isolate: Isolate, reply: SyncReply): void {
    if (!isolate.alive) return
    this.#answered.set(isolate, reply.seq)
    const nowMs = this.#clock(isolate)
    this.#settle(isolate.holder.apply(reply, nowMs))
    if (!isolate.holder.underWay && (isolate.holder.waiting > 0 || isolate.holder.refillDue(nowMs)))
      this.#send(isolate)
  }

  #timeOut(isolate: Isolate, seq: number): void {
    if (!isolate.alive || (this.#answered.get(isolate) ?? 0) >= seq || isolate.holder.seq !== seq) return
    this.#settle(isolate.holder.failed(this.#clock(isolate)))
  }

  #settle(answers: ReturnType<PermitHolder['apply']>): void {
    for (const { id, outcome } of answers) {
      const waiting = this.#waiting.get(id)
      if (waiting === undefined || outcome.kind === 'ask') continue
      this.#waiting.delete(id)
      if (outcome.kind === 'taken') this.#leave(waiting)
      else this.#count.denied += 1
    }
  }

  #boot(): PermitBook {
    this.#boots += 1
    const store = {
      counter: (id: string): string | null => this.#rows.get(id) ?? null,
      saveCounter: (id: string, row: string): void => void this.#rows.set(id, row),
    }
    return new this.#subject.PermitBook(store, `b${this.#boots}`, this.#queue.nowMs, this.#reservations)
  }

  /** What a Ledger does that nobody calls: it stores how things stand, and forgets everything. */
  #wake(): void {
    const silentMs = this.#queue.nowMs - this.#servedMs
    if (silentMs < restAfterMs || this.#plan.restarts === 'none') return
    this.#book.rest(this.#servedMs + restAfterMs)
    if (silentMs >= sleepAfterMs) this.#book = this.#boot()
  }

  #crash(): void {
    this.#wake()
    this.#count.crashes += 1
    this.#book = this.#boot()
  }

  #fail(): void {
    const { outageMs } = this.#plan.faults
    this.#outUntilMs = this.#queue.nowMs + outageMs
    this.#count.outages += 1
  }

  #die(): void {
    const at = this.#random.whole(0, this.#isolates.length - 1)
    const dying = this.#isolates[at]
    if (dying === undefined) return
    dying.alive = false
    this.#isolates[at] = this.#isolate()
  }
}

function reservationOf({ id, applied, cost }: Asked, nowMs: number): OpenedReservation {
  const takes = applied.map(({ counter }) => ({ counter, cost }))
  const what = { key: 'k', route: 'r', model: null, inputTokens: 0, outputTokens: cost, microUsd: null }
  return { id, takes, deadlineMs: nowMs + 600_000, ...what }
}

/** What a message is on the other side: equal, but not the same. */
function copyOf(request: SyncRequest): SyncRequest {
  return { ...request, holdings: request.holdings.map((holding) => ({ ...holding })) }
}
