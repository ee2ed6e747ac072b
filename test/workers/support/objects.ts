import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { parseKeyRing, type KeyRing } from '../../../src/core/key/key-ring.ts'
import { clock } from '../../../src/platform/clock.ts'
import { digest } from '../../../src/platform/digest.ts'
import { createKeyAdmin } from '../../../src/platform/key-admin.ts'
import { random } from '../../../src/platform/random.ts'
import type { KeyAdmin } from '../../../src/ports.ts'
import type { Env } from '../../../src/env.ts'

/** The ring of the Worker under test. */
export function testRing(): KeyRing {
  const ring = parseKeyRing(env.SLUICE_KEY_RING)
  if (ring === null || 'problem' in ring) throw new Error('the tests have no ring')
  return ring
}

/** Accounts and keys over the real Durable Objects. */
export function realAdmin(ring: KeyRing | null = testRing()): KeyAdmin {
  return createKeyAdmin({ ledgers: env.LEDGER, registry: env.REGISTRY, ring, digest, random, clock })
}

let accountsMade = 0

/** The open Ledger of an account that there was not before. */
export async function openLedger(prefix: string) {
  accountsMade += 1
  const account = `${prefix}${String(accountsMade).padStart(3, '0')}`
  const ledger = env.LEDGER.getByName(`ledger:${account}:1`)
  await ledger.open({ id: account, region: 'weur', generation: 1 })
  return { account, ledger }
}

/** Puts another KV in the place of a Ledger's; lasts until the Ledger is evicted. */
export async function replaceKv(stub: DurableObjectStub, kv: Partial<KVNamespace>): Promise<void> {
  await runInDurableObject(stub, (instance) => {
    const changed: Env = { ...(instance as unknown as { env: Env }).env, KEYS: kv as KVNamespace }
    Object.defineProperty(instance, 'env', { value: changed })
  })
}

/** Everything a Durable Object keeps in SQLite, as text. */
export async function dumpObject(stub: DurableObjectStub): Promise<string> {
  return runInDurableObject(stub, (_instance, state) => {
    const { sql } = state.storage
    const tables = sql
      .exec<{ name: string }>(
        `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'`,
      )
      .toArray()
    return JSON.stringify(tables.map(({ name }) => [name, sql.exec(`SELECT * FROM "${name}"`).toArray()]))
  })
}

/** Everything in KV, as text. */
export async function dumpKv(): Promise<string> {
  const { keys } = await env.KEYS.list()
  const entries = await Promise.all(keys.map(async ({ name }) => [name, await env.KEYS.get(name)]))
  return JSON.stringify(entries)
}

/** The value, or a failure of the test. */
export function accepted<T extends object>(outcome: T): Exclude<T, { readonly refused: string }> {
  if ('refused' in outcome) throw new Error(`refused: ${String(outcome.refused)}`)
  return outcome as Exclude<T, { readonly refused: string }>
}
