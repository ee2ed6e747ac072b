import { coastFreshMs, coastMs } from './lease-terms.ts'
import type { Report } from './counter.ts'

const promisedForMs = coastFreshMs + coastMs
const bootsMax = 8
const heardForMs = 10_000
const forgetAfterMs = 60_000
const endedForMs = 3_600_000

/** What one isolate holds of a counter, as the authority knows it. */
export interface Lease {
  /** Permits that may still be used. */
  live: number
  /** When none of them can be used any more. */
  endsMs: number
  /** Permits of the lease when it ended, or 0. */
  ended: number
  /** Of those, what can still be given back. Where it is kept is the counter's business. */
  place: number
  /** What the isolate has used in total. */
  used: number
  /** The last message that told of it. */
  seq: number
  /** Debt that was charged, and that the isolate may not know to be. */
  debt: number
  perSecond: number
  heardMs: number
  /** The part of the rate that the isolate may go on at while the Ledger does not answer. */
  share: number
  /** Differs from most others'. */
  readonly ordinal: number
  /** The lives of the Ledger that its permits may be from. */
  boots: readonly string[]
}

/** What a report comes to for a lease: permits used, given back, and still held. */
export interface Reckoned {
  readonly used: number
  readonly returned: number
  readonly have: number
  /** Whether that stays valid. */
  readonly keep: boolean
}

/**
 * What became of `granted` permits. The isolate has used what its total grew by, and holds what it says if that is from
 * this lease; whatever it cannot account for it never got, or let expire.
 */
export function reckon(granted: number, lease: Lease, report: Report): Reckoned {
  const { have: told, used: usedNow } = report.holding
  const gave = report.boot !== null && lease.boots.includes(report.boot)
  const have = gave ? Math.min(told, granted) : 0
  const used = Math.min(Math.max(0, usedNow - lease.used), granted - have)
  return { used, returned: granted - have - used, have, keep: gave && have > 0 && have === told }
}

/** Who else asks for permits. */
export interface Demands {
  readonly others: number
  readonly share: number
}

/** The leases of one counter. */
export class Leases {
  readonly #leases = new Map<string, Lease>()
  readonly #boot: string
  /** No lease ends before. */
  #nextEndMs = Infinity
  /** Permits in leases that have not ended. */
  live = 0
  #demands: (Demands & { readonly isolate: string; readonly nowMs: number }) | null = null

  constructor(boot: string) {
    this.#boot = boot
  }

  get(isolate: string): Lease | undefined {
    return this.#leases.get(isolate)
  }

  /** The lease of an isolate that was never heard before begins with nothing. */
  begin(report: Report, nowMs: number): Lease {
    const { used, perSecond } = report.holding
    const lease: Lease = {
      live: 0,
      endsMs: 0,
      ended: 0,
      place: 0,
      used,
      seq: report.seq,
      debt: 0,
      perSecond,
      heardMs: nowMs,
      share: 0,
      ordinal: this.#leases.size,
      boots: [this.#boot],
    }
    this.#leases.set(report.isolate, lease)
    return lease
  }

  restore(isolate: string, lease: Lease): void {
    this.#leases.set(isolate, lease)
    this.live += lease.live
    this.#nextEndMs = Math.min(this.#nextEndMs, lease.live > 0 ? lease.endsMs : Infinity)
  }

  /** Notes a report that was reckoned with. */
  heard(lease: Lease, report: Report, nowMs: number): void {
    const from = lease.boots.indexOf(report.boot ?? '')
    lease.boots =
      from < 0 ? [this.#boot] : [...new Set([...lease.boots.slice(from), this.#boot])].slice(-bootsMax)
    if (report.ackedSeq >= lease.seq) lease.share = 0
    lease.used = report.holding.used
    lease.seq = report.seq
    lease.perSecond = report.holding.perSecond
    lease.heardMs = nowMs
    this.#demands = null
  }

  setLive(lease: Lease, live: number): void {
    this.live += live - lease.live
    lease.live = live
  }

  extend(lease: Lease, endsMs: number): void {
    lease.endsMs = Math.max(lease.endsMs, endsMs)
    if (lease.live > 0) this.#nextEndMs = Math.min(this.#nextEndMs, lease.endsMs)
  }

  /** Leases that end up to a time, in the order in which they end. */
  ending(nowMs: number): readonly Lease[] {
    if (nowMs < this.#nextEndMs) return []
    const ending: Lease[] = []
    this.#nextEndMs = Infinity
    for (const [isolate, lease] of this.#leases) {
      if (lease.live > 0 && lease.endsMs <= nowMs) ending.push(lease)
      else if (lease.live > 0) this.#nextEndMs = Math.min(this.#nextEndMs, lease.endsMs)
      else if (nowMs - lease.heardMs > (lease.ended > 0 ? endedForMs : forgetAfterMs))
        this.#leases.delete(isolate)
    }
    return ending.toSorted((a, b) => a.endsMs - b.endsMs)
  }

  /** Debt in a report that was not charged yet. */
  owed(lease: Lease, report: Report): number {
    const before = report.ackedSeq >= lease.seq ? 0 : lease.debt
    lease.debt = report.holding.debt
    return Math.max(0, report.holding.debt - before)
  }

  /** How many other isolates asked lately, and the share of all that is asked for that is the isolate's own. */
  demand(isolate: string, nowMs: number): Demands {
    const last = this.#demands
    if (last !== null && last.isolate === isolate && last.nowMs === nowMs) return last
    let others = 0
    let all = 0
    for (const [id, lease] of this.#leases) {
      if (nowMs - lease.heardMs > heardForMs) continue
      all += lease.perSecond
      if (id !== isolate) others += 1
    }
    const own = this.#leases.get(isolate)?.perSecond ?? 0
    this.#demands = { isolate, nowMs, others, share: all > 0 ? own / all : 1 / (others + 1) }
    return this.#demands
  }

  /**
   * The isolate's share of what is asked for, as far as others were not promised it. What it was promised before counts
   * as long as it may not know of the new share.
   */
  promise(isolate: string, nowMs: number): number {
    const lease = this.#leases.get(isolate)
    if (lease === undefined) return 0
    let promised = 0
    for (const other of this.#leases.values()) {
      if (other !== lease && nowMs - other.heardMs <= promisedForMs) promised += other.share
    }
    const share = Math.min(this.demand(isolate, nowMs).share, Math.max(0, 1 - promised))
    lease.share = Math.max(lease.share, share)
    return share
  }

  entries(): IterableIterator<[string, Lease]> {
    return this.#leases.entries()
  }
}
