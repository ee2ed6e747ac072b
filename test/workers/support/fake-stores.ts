import type { GatewaySettings } from '../../../src/core/config/types.ts'
import { defaultGateway } from '../../../src/core/config/defaults.ts'
import { KeyCache } from '../../../src/core/key/key-cache.ts'
import type { KeyRecord } from '../../../src/core/key/key-record.ts'
import type { KeyRing } from '../../../src/core/key/key-ring.ts'
import { formatKeyText, macInput, macText, newIdentifier, newSecret } from '../../../src/core/key/key-text.ts'
import type { Need, NeedAnswer, SyncReply, SyncRequest } from '../../../src/core/limit/messages.ts'
import type { AppliedLimit } from '../../../src/core/limit/spec.ts'
import { Pools } from '../../../src/core/upstream/pools.ts'
import type { Ledger } from '../../../src/durable/ledger/ledger.ts'
import { digest } from '../../../src/platform/digest.ts'
import { keyHash } from '../../../src/platform/key-mac.ts'
import { createKeySource } from '../../../src/platform/key-source.ts'
import { LedgerLinks } from '../../../src/platform/ledger-links.ts'
import { createLimiter } from '../../../src/platform/limiter.ts'
import { random } from '../../../src/platform/random.ts'
import { noShield } from '../../../src/platform/shield.ts'
import type { KeySource, Limiter, Shield } from '../../../src/ports.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { keyRecordWith } from '../../support/key-records.ts'

/** How KV behaves; `slow` answers after 600 ms. */
export type KvMode = 'ok' | 'none' | 'throw' | 'hang' | 'slow' | 'garbage'

/** How Ledgers behave; `retryable` fails once, `slow` answers after 600 ms. */
export type LedgerMode = 'ok' | 'throw' | 'hang' | 'slow' | 'garbage' | 'overloaded' | 'retryable' | 'broken'

const entry = { name: 'k1', bytes: new Uint8Array(32).fill(7) }
export const ring: KeyRing = { issuing: entry, entries: new Map([[entry.name, entry]]) }

const draw = (count: number): Uint8Array => random.bytes(count)

/** A key as `createKey` makes it, with its record. */
export async function issue(
  changes: Partial<KeyRecord> = {},
): Promise<{ readonly text: string; readonly record: KeyRecord }> {
  const account = changes.account ?? newIdentifier(draw)
  const parts = { ring: 'k1', account, id: newIdentifier(draw), secret: newSecret(draw) }
  const mac = macText(await digest.hmacSha256(entry.bytes, macInput(parts)))
  const text = formatKeyText({ ...parts, mac })
  const hash = await keyHash(text, digest)
  return { text, record: keyRecordWith({ account: parts.account, id: parts.id, hash, ...changes }) }
}

/** Stores that both hold a key as it was made. */
export async function storesWithKey() {
  const { text, record } = await issue()
  const stores = new FakeStores()
  stores.kvRecord = record
  stores.ledgerRecord = record
  return { stores, text, record }
}

/** Sources and limiters of one isolate. */
export interface FakeIsolate {
  readonly source: KeySource
  readonly limiter: Limiter
  readonly links: LedgerLinks
}

/** KV and a Ledger that do as they are told and count what they are asked. */
export class FakeStores {
  readonly clock = new FakeClock()
  kvMode: KvMode = 'ok'
  ledgerMode: LedgerMode = 'ok'
  /** What each holds of the one key there is; null: no such key. */
  kvRecord: KeyRecord | null = null
  ledgerRecord: KeyRecord | null = null
  settings: GatewaySettings = defaultGateway
  shield: Shield = noShield
  kvReads = 0
  kvOptions: unknown = null
  stubsMade = 0
  readonly syncs: SyncRequest[] = []
  /** Limits that the Ledger adds to needs with a key. */
  added: readonly AppliedLimit[] = []
  /** What the Ledger says of needs. */
  answer: (need: Need) => Partial<NeedAnswer> = () => ({})
  #sequence = 1
  #changed: { readonly sequence: number; readonly record: KeyRecord }[] = []
  #forgets = false

  isolate(withRing: KeyRing | null = ring): FakeIsolate {
    const kv = {
      get: (_name: string, options: unknown) => {
        this.kvReads += 1
        this.kvOptions = options
        return this.#readKv()
      },
    } as unknown as KVNamespace
    const ledgers = {
      getByName: () => {
        this.stubsMade += 1
        return { sync: (request: SyncRequest) => this.#sync(request) }
      },
    } as unknown as DurableObjectNamespace<Ledger>
    const { clock } = this
    const cache = new KeyCache()
    const links = new LedgerLinks({ ledgers, clock, random, pools: new Pools() }, (record) =>
      cache.override(record),
    )
    const shield: Shield = { allows: (x) => this.shield.allows(x) }
    const source = createKeySource({
      kv,
      links,
      cache,
      ring: withRing,
      shield,
      settings: () => this.settings,
      digest,
      clock,
    })
    return { source, limiter: createLimiter(links, clock), links }
  }

  source(withRing: KeyRing | null = ring): KeySource {
    return this.isolate(withRing).source
  }

  /** The Ledger changes the record, and tells isolates of it. */
  change(changes: Partial<KeyRecord>): KeyRecord {
    if (this.ledgerRecord === null) throw new Error('there is no key')
    const record = { ...this.ledgerRecord, version: this.ledgerRecord.version + 1, ...changes }
    this.ledgerRecord = record
    this.#sequence += 1
    this.#changed.push({ sequence: this.#sequence, record })
    return record
  }

  /** The Ledger has more changes than it tells. */
  forgetChanges(): void {
    this.#sequence += 1
    this.#forgets = true
  }

  async #readKv(): Promise<unknown> {
    if (this.kvMode === 'throw') throw new Error('KV failing')
    if (this.kvMode === 'hang') return new Promise(() => {})
    if (this.kvMode === 'slow') await this.clock.wait(600)
    if (this.kvMode === 'none') return null
    return this.kvMode === 'garbage' ? 'not a record' : this.kvRecord
  }

  async #sync(request: SyncRequest): Promise<unknown> {
    this.syncs.push(request)
    const mode = this.ledgerMode
    if (mode === 'throw') throw new Error('Ledger failing')
    if (mode === 'overloaded') throw Object.assign(new Error('busy'), { overloaded: true, retryable: true })
    if (mode === 'broken') throw Object.assign(new Error('reset'), { retryable: true })
    if (mode === 'retryable') {
      this.ledgerMode = 'ok'
      throw Object.assign(new Error('reset'), { retryable: true })
    }
    if (mode === 'hang') return new Promise(() => {})
    if (mode === 'slow') await this.clock.wait(600)
    return mode === 'garbage' ? this.#nonsense(request) : this.#reply(request)
  }

  /** Each time another. */
  #nonsense(request: SyncRequest): unknown {
    const reply = this.#reply(request)
    const all = [
      null,
      'yes',
      {},
      { ...reply, needs: [null] },
      { ...reply, keys: 7 },
      { ...reply, account: {} },
    ]
    return all[this.syncs.length % all.length]
  }

  #reply({ seq, needs, opened, settled, sequence, keys }: SyncRequest): SyncReply {
    const news = this.#changed.filter((change) => change.sequence > (sequence ?? 0))
    const forgets = this.#forgets && sequence !== this.#sequence
    return {
      v: 1,
      boot: 'boot',
      seq,
      grants: [],
      needs: needs.map((need) => this.#answerNeed(need)),
      acknowledged: [...opened, ...settled].map(({ id }) => id),
      account: {
        sequence: this.#sequence,
        state: 'active',
        limits: [],
        changed: forgets ? null : news.map(({ record }) => record),
        configEpoch: 0,
        purgeEpoch: 0,
      },
      keys: keys.map((id) => ({ id, record: this.ledgerRecord?.id === id ? this.ledgerRecord : null })),
    }
  }

  #answerNeed(need: Need): NeedAnswer {
    const added = need.key === null ? [] : this.added.map(({ counter }) => ({ counter, cost: 1 }))
    return {
      id: need.id,
      takes: [...need.takes, ...added],
      violated: [],
      waitMs: null,
      limits: need.key === null ? [] : this.added,
      ...this.answer(need),
    }
  }
}
