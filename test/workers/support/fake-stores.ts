import type { KeyRecord } from '../../../src/core/key/key-record.ts'
import type { Ledger } from '../../../src/durable/ledger/ledger.ts'
import { createKeySource } from '../../../src/platform/key-source.ts'
import type { KeyRing } from '../../../src/core/key/key-ring.ts'
import { formatKeyText, macInput, macText, newIdentifier, newSecret } from '../../../src/core/key/key-text.ts'
import { digest } from '../../../src/platform/digest.ts'
import { keyHash } from '../../../src/platform/key-mac.ts'
import { random } from '../../../src/platform/random.ts'
import type { KeySource } from '../../../src/ports.ts'
import { FakeClock } from '../../support/fake-clock.ts'

/** How a store behaves; `slow` answers after 600 ms. */
export type Mode = 'ok' | 'none' | 'throw' | 'hang' | 'slow' | 'garbage'

const entry = { name: 'k1', bytes: new Uint8Array(32).fill(7) }
export const ring: KeyRing = { issuing: entry, entries: new Map([[entry.name, entry]]) }

const draw = (count: number): Uint8Array => random.bytes(count)

/** A key as `createKey` makes it, with its record. */
export async function issue(): Promise<{ readonly text: string; readonly record: KeyRecord }> {
  const parts = { ring: 'k1', account: newIdentifier(draw), id: newIdentifier(draw), secret: newSecret(draw) }
  const mac = macText(await digest.hmacSha256(entry.bytes, macInput(parts)))
  const text = formatKeyText({ ...parts, mac })
  const record: KeyRecord = {
    schema: 1,
    account: parts.account,
    id: parts.id,
    name: 'a key',
    version: 1,
    state: 'active',
    hash: await keyHash(text, digest),
    scopes: ['chat'],
    models: null,
    createdAtMs: 1,
    expiresAtMs: null,
    revokedAtMs: null,
  }
  return { text, record }
}

/** KV and Ledgers that do as they are told and count what they are asked. */
export class FakeStores {
  readonly clock = new FakeClock()
  kvMode: Mode = 'ok'
  ledgerMode: Mode = 'ok'
  /** What each store holds of the one key there is; the Ledger's may be newer. */
  kvRecord: KeyRecord | null = null
  ledgerRecord: KeyRecord | null = null
  kvReads = 0
  kvOptions: unknown = null
  stubsMade = 0
  ledgerCalls = 0

  source(withRing: KeyRing | null = ring): KeySource {
    const kv = {
      get: (_name: string, options: unknown) => {
        this.kvReads += 1
        this.kvOptions = options
        return this.#answer(this.kvMode, this.kvRecord, 'not a record')
      },
    } as unknown as KVNamespace
    const ledgers = {
      getByName: () => {
        this.stubsMade += 1
        return { findKey: () => this.#findKey() }
      },
    } as unknown as DurableObjectNamespace<Ledger>
    return createKeySource({ kv, ledgers, ring: withRing, digest, clock: this.clock })
  }

  async #findKey(): Promise<unknown> {
    this.ledgerCalls += 1
    const record = await this.#answer(this.ledgerMode, this.ledgerRecord, 'not a record')
    return record === null ? { found: 'unknown' } : { found: 'key', record }
  }

  async #answer(mode: Mode, record: KeyRecord | null, garbage: unknown): Promise<unknown> {
    if (mode === 'throw') throw new Error('store failing')
    if (mode === 'hang') return new Promise(() => {})
    if (mode === 'slow') await this.clock.wait(600)
    if (mode === 'none') return null
    return mode === 'garbage' ? garbage : record
  }
}
