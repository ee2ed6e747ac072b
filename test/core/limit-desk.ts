import type { CounterGrant, Need, SyncReply, SyncRequest } from '../../src/core/limit/messages.ts'
import { PermitBook, type BookLimits, type Served } from '../../src/core/limit/permit-book.ts'
import { PermitHolder, type Answered } from '../../src/core/limit/permit-holder.ts'
import { keyCounter, type AppliedLimit, type LimitSpec } from '../../src/core/limit/spec.ts'

import { ReservationMemory } from '../../bench/simulation/reservation-memory.ts'

const common = { name: 'limit', durability: 'default', onFailure: 'closed', reserve: 'auto' } as const

/** A rate of `max` in a second, with a burst. */
export function rateOf(burst: number, max: number, over: Partial<LimitSpec> = {}): LimitSpec {
  return { ...common, kind: 'request-rate', max, periodMs: 1000, burst, calendar: null, ...over }
}

export function windowOf(max: number, periodMs: number, over: Partial<LimitSpec> = {}): LimitSpec {
  return { ...common, kind: 'request-window', max, periodMs, burst: null, calendar: null, ...over }
}

export function budgetOf(max: number, over: Partial<LimitSpec> = {}): LimitSpec {
  return { ...common, kind: 'token-budget', max, periodMs: null, burst: null, calendar: 'day', ...over }
}

/** The limit of a key that is named as the key is. */
export function limitOf(key: string, spec: LimitSpec): AppliedLimit {
  return { counter: keyCounter(key, 'limit'), spec, level: 'key' }
}

/** A Ledger and its rows; lives one after the other see the same rows. */
export class Desk {
  readonly rows = new Map<string, string>()
  readonly specs = new Map<string, LimitSpec>()
  limitsOfKey: BookLimits['limitsOfKey'] = () => []
  readonly reservations = new ReservationMemory()
  boot = 'b1'
  book: PermitBook

  constructor(limits: readonly AppliedLimit[], nowMs: number) {
    for (const { counter, spec } of limits) this.specs.set(counter, spec)
    this.book = this.#begin(nowMs)
  }

  /** Forgets everything that is not stored. */
  restart(nowMs: number): void {
    this.boot = `b${Number(this.boot.slice(1)) + 1}`
    this.book = this.#begin(nowMs)
  }

  serve(request: SyncRequest, nowMs: number): SyncReply {
    const { grants, needs, acknowledged } = this.served(request, nowMs)
    return { v: 1, boot: this.boot, seq: request.seq, grants, needs, acknowledged, account: null, keys: [] }
  }

  served(request: SyncRequest, nowMs: number): Served {
    const specOf = (counter: string): LimitSpec | null => this.specs.get(counter) ?? null
    return this.book.serve(request, { specOf, limitsOfKey: this.limitsOfKey }, nowMs)
  }

  /** One message of the holder and its reply, with no time between. */
  exchange(holder: PermitHolder, nowMs: number): readonly Answered[] {
    return holder.apply(this.serve(holder.message(nowMs, nobody), nowMs), nowMs)
  }

  #begin(nowMs: number): PermitBook {
    const store = {
      counter: (id: string): string | null => this.rows.get(id) ?? null,
      saveCounter: (id: string, row: string): void => void this.rows.set(id, row),
    }
    return new PermitBook(store, this.boot, nowMs, this.reservations)
  }
}

/** What a message says of the account where that is not looked at. */
export const nobody = { sequence: null, keys: [] } as const

/** A message by hand. */
export function messageOf(seq: number, over: Partial<SyncRequest> = {}): SyncRequest {
  return {
    v: 1,
    isolate: 'i',
    seq,
    boot: null,
    replyWithinMs: 1000,
    acked: null,
    holdings: [],
    needs: [],
    opened: [],
    settled: [],
    sequence: null,
    keys: [],
    ...over,
  }
}

export function needOf(id: string, limits: readonly AppliedLimit[], cost = 1): Need {
  return { id, takes: limits.map(({ counter }) => ({ counter, cost })), key: null }
}

export function holdingOf(
  { counter, spec }: AppliedLimit,
  over: Partial<SyncRequest['holdings'][number]> = {},
) {
  return { counter, spec, have: 0, used: 0, inUse: 0, perSecond: 0, want: 0, debt: 0, ...over }
}

/** A grant by hand. */
export function grantOf({ counter, spec }: AppliedLimit, over: Partial<CounterGrant> = {}): CounterGrant {
  return {
    counter,
    spec,
    permits: 0,
    ttlMs: 5000,
    keep: false,
    left: 10,
    resetMs: 0,
    denyMs: 0,
    coastPerSecond: 0,
    ...over,
  }
}
