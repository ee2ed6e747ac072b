import type {
  Holding,
  Need,
  OpenedReservation,
  SettledReservation,
  SyncReply,
  SyncRequest,
  Take,
} from '../../../src/core/limit/messages.ts'
import { keyCounter, type LimitSpec } from '../../../src/core/limit/spec.ts'
import type { IssuedKey } from '../../../src/core/key/record-life.ts'
import type { Ledger } from '../../../src/durable/ledger/ledger.ts'
import { requestRate, tokenBudget as monthlyTokens } from '../../support/limits.ts'

/** A key as the control plane would have it made. */
export function issued(id: string, change: Partial<IssuedKey> = {}): IssuedKey {
  return {
    id,
    hash: `hash-of-${id}`,
    name: `key ${id}`,
    scopes: ['chat'],
    models: null,
    limits: [],
    strict: false,
    expiresAtMs: null,
    createdAtMs: 1,
    ...change,
  }
}

/** A limit; by default on requests, 50 at once and 50 a minute, exact after restarts. */
export function limit(change: Partial<LimitSpec> = {}): LimitSpec {
  return requestRate(50, change)
}

/** A month's budget of tokens. */
export function tokenBudget(max: number): LimitSpec {
  return monthlyTokens(max, { name: 'budget' })
}

export function need(id: string, takes: readonly Take[], key: string | null = null): Need {
  return { id, takes, key }
}

/** One isolate: its messages are numbered and say what they are told to say, and which reply was taken last. */
export class Isolate {
  readonly name: string
  #seq = 0
  #acked: SyncRequest['acked'] = null
  #boot: string | null = null

  constructor(name: string) {
    this.name = name
  }

  message(change: Partial<SyncRequest> = {}): SyncRequest {
    this.#seq += 1
    return {
      v: 1,
      isolate: this.name,
      seq: this.#seq,
      boot: this.#boot,
      replyWithinMs: 1_000,
      acked: this.#acked,
      holdings: [],
      needs: [],
      opened: [],
      settled: [],
      sequence: 0,
      keys: [],
      ...change,
    }
  }

  /** Sends a message and takes the reply: what was granted has left at once. */
  async sync(ledger: DurableObjectStub<Ledger>, change: Partial<SyncRequest> = {}): Promise<SyncReply> {
    const reply = await ledger.sync(this.message(change))
    this.#acked = { seq: reply.seq, agoMs: 0 }
    this.#boot = reply.boot
    return reply
  }
}

export function holding(keyId: string, spec: LimitSpec, change: Partial<Holding> = {}): Holding {
  const none = { have: 0, used: 0, inUse: 0, perSecond: 0, want: 0, debt: 0 }
  return { counter: keyCounter(keyId, spec.name), spec, ...none, ...change }
}

export function opened(id: string, change: Partial<OpenedReservation> = {}): OpenedReservation {
  return {
    id,
    takes: [],
    deadlineMs: Date.now() + 600_000,
    key: 'k1',
    route: 'chat',
    model: 'gpt-4o',
    inputTokens: 0,
    outputTokens: 0,
    microUsd: null,
    ...change,
  }
}

export function settled(id: string, change: Partial<SettledReservation> = {}): SettledReservation {
  return { ...opened(id), costs: [], source: 'measured', endedMs: Date.now(), ...change }
}
