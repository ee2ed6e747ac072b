import type { KeyRecord } from '../../src/core/key/key-record.ts'
import type { SettledReservation, SyncReply, SyncRequest } from '../../src/core/limit/messages.ts'
import { PermitBook, type BookLimits } from '../../src/core/limit/permit-book.ts'
import { limitKind } from '../../src/core/limit/kinds/kinds.ts'
import type { ReservationRow, ReservationStore } from '../../src/core/limit/reservations-row.ts'
import { accountCounter, keyCounter, type AppliedLimit, type LimitSpec } from '../../src/core/limit/spec.ts'
import type { Clock } from '../../src/ports.ts'

/** How a Ledger's calls end; `retryable` fails once. */
export type BookMode = 'ok' | 'throw' | 'hang' | 'overloaded' | 'retryable'

/** The Ledger of one account with its real book of permits, in memory, on the clock of the test. */
export class BookLedger {
  mode: BookMode = 'ok'
  /** How long a reply takes. Milliseconds. */
  tripMs = 0
  readonly keys = new Map<string, KeyRecord>()
  readonly syncs: SyncRequest[] = []
  /** What exchanges came to, as far as it was told. */
  readonly settled: SettledReservation[] = []
  accountLimits: readonly LimitSpec[] = []
  readonly #clock: Clock
  readonly #rows = new Map<string, string>()
  readonly #reservations = new Map<string, ReservationRow>()
  #lives = 0
  #book: PermitBook
  #sequence = 1
  #changed: { readonly sequence: number; readonly record: KeyRecord }[] = []

  constructor(clock: Clock) {
    this.#clock = clock
    this.#book = this.#begin()
  }

  /** Puts a record in the place of the one there is; isolates are told. */
  put(record: KeyRecord): void {
    this.keys.set(record.id, record)
    this.#sequence += 1
    this.#changed.push({ sequence: this.#sequence, record })
  }

  setLimits(limits: readonly LimitSpec[]): void {
    this.accountLimits = limits
    this.#sequence += 1
  }

  /** Its memory is gone; what it has stored is not. */
  restart(): void {
    this.#book = this.#begin()
  }

  async sync(request: SyncRequest): Promise<SyncReply> {
    this.syncs.push(structuredClone(request))
    const { mode } = this
    if (mode === 'hang') return new Promise(() => {})
    if (mode === 'retryable') this.mode = 'ok'
    if (mode !== 'ok') {
      throw Object.assign(new Error(mode), {
        retryable: mode !== 'throw',
        overloaded: mode === 'overloaded',
      })
    }
    const reply = structuredClone(this.#reply(request))
    if (this.tripMs > 0) await this.#clock.wait(this.tripMs)
    return reply
  }

  #begin(): PermitBook {
    this.#lives += 1
    const rows = this.#rows
    const store = {
      counter: (id: string) => rows.get(id) ?? null,
      saveCounter: (id: string, row: string) => void rows.set(id, row),
    }
    return new PermitBook(
      store,
      `boot-${this.#lives}`,
      this.#clock.nowMs(),
      reservationStore(this.#reservations),
    )
  }

  #reply(request: SyncRequest): SyncReply {
    const { seq, sequence, keys } = request
    const { grants, needs, acknowledged, settled } = this.#book.serve(
      request,
      this.#limits,
      this.#clock.nowMs(),
    )
    this.settled.push(...settled)
    const news = this.#changed.filter((change) => change.sequence > (sequence ?? 0))
    return {
      v: 1,
      boot: `boot-${this.#lives}`,
      seq,
      grants,
      needs,
      acknowledged,
      account: {
        sequence: this.#sequence,
        state: 'active',
        limits: this.accountLimits,
        changed: news.map(({ record }) => record),
        configEpoch: 0,
        purgeEpoch: 0,
      },
      keys: keys.map((id) => ({ id, record: this.keys.get(id) ?? null })),
    }
  }

  get #limits(): BookLimits {
    return {
      specOf: (counter) => this.#all().find((limit) => limit.counter === counter)?.spec ?? null,
      limitsOfKey: (id) => {
        const record = this.keys.get(id)
        if (record === undefined || record.state !== 'active') return null
        const own = this.#all().filter(
          ({ counter, level }) => level === 'account' || counter.startsWith(`key:${id}:`),
        )
        return own.filter(({ spec }) => limitKind(spec.kind).taken === 'admission')
      },
    }
  }

  #all(): AppliedLimit[] {
    const ofKeys = [...this.keys.values()].flatMap(({ id, limits }) =>
      limits.map((spec) => ({ counter: keyCounter(id, spec.name), spec, level: 'key' as const })),
    )
    const ofAccount = this.accountLimits.map((spec) => ({
      counter: accountCounter(spec.name),
      spec,
      level: 'account' as const,
    }))
    return [...ofKeys, ...ofAccount]
  }
}

function reservationStore(rows: Map<string, ReservationRow>): ReservationStore {
  const times = (isOpen: boolean) =>
    [...rows.values()].filter(({ state }) => (state === 'open') === isOpen).map(({ untilMs }) => untilMs)
  return {
    find: (id) => rows.get(id) ?? null,
    save: (row) => void rows.set(row.id, row),
    due: (nowMs, max) =>
      [...rows.values()].filter(({ state, untilMs }) => state === 'open' && untilMs <= nowMs).slice(0, max),
    nextDeadlineMs: () => soonest(times(true)),
    nextForgetMs: () => soonest(times(false)),
    forget: (nowMs) => {
      for (const { id, state, untilMs } of rows.values()) {
        if (state !== 'open' && untilMs <= nowMs) rows.delete(id)
      }
    },
    count: () => rows.size,
  }
}

function soonest(times: readonly number[]): number | null {
  return times.length === 0 ? null : Math.min(...times)
}
