/**
 * A module for `workerd bench`: what the Worker itself costs from the request's entry to the upstream `fetch`, with the
 * real stages and adapters, the bundled configuration, and a key and permits of its limit in memory. `fetch`, timers and KV are fakes; `fetch`
 * never answers, so nothing after it is timed.
 *
 * A Request is made anew for every call, as every real one is new; `new_request` is what that costs and is subtracted.
 */
import bundled from '../../sluice.config.json' with { type: 'json' }
import { parseKeyRing } from '../../src/core/key/key-ring.ts'
import { formatKeyText, macInput, macText, parseKeyText } from '../../src/core/key/key-text.ts'
import { newRecord } from '../../src/core/key/record-life.ts'
import type { KeyRecord } from '../../src/core/key/key-record.ts'
import type { SyncReply, SyncRequest } from '../../src/core/limit/messages.ts'
import { PermitBook } from '../../src/core/limit/permit-book.ts'
import { keyCounter } from '../../src/core/limit/spec.ts'
import type { Env } from '../../src/env.ts'
import gateway from '../../src/index.ts'
import { digest } from '../../src/platform/digest.ts'
import { keyHash } from '../../src/platform/key-mac.ts'
import { roomyLimit, rowsInMemory } from './roomy-limit.ts'

interface Bench {
  run(name: string, measured: () => unknown): void
  blackBox(value: unknown): void
}

const ringText = 'bench=YmVuY2gtcmluZy1lbnRyeS1vZi0zMi1ieXRlcy1sb25n'
const unsigned = { ring: 'bench', account: 'benchaccnt', id: 'benchkeyid', secret: 'B'.repeat(22) }
const host = 'http://127.0.0.1:8787'
/** Passed on unread, so `fetch` is called before the Worker first yields. */
const plainPath = '/http/items?page=2'
/** Read, scanned and, where a policy asks for it, rewritten before `fetch` is called. */
const llmPath = '/v1/chat/completions'
const body = JSON.stringify({ model: 'gpt-x', messages: [{ role: 'user', content: 'Say it. '.repeat(100) }] })

/** On Cloudflare the clock stands still between operations. */
const nowMs = 1_800_000_000_000

let fetches = 0
let noteFetch: () => void = () => undefined

/** The key's text and its record. */
async function issuedKey(): Promise<{ readonly text: string; readonly record: KeyRecord }> {
  const ring = parseKeyRing(ringText)
  if (ring === null || 'problem' in ring) throw new Error('the ring of the benchmark cannot be read')
  const mac = macText(await digest.hmacSha256(ring.issuing.bytes, macInput(unsigned)))
  const text = formatKeyText({ ...unsigned, mac })
  if (parseKeyText(text) === null) throw new Error('the key of the benchmark has not the shape of a key')
  const { account, id } = unsigned
  const rules = { scopes: [], models: null, limits: [roomyLimit], strict: false }
  const issued = { id, name: 'bench', ...rules, expiresAtMs: null, createdAtMs: 0 }
  const record = newRecord(account, { ...issued, hash: await keyHash(text, digest) })
  return { text, record }
}

/** A Ledger that leases as many permits as the benchmark can use. */
function ledgerOf(record: KeyRecord): { readonly getByName: () => object } {
  const book = new PermitBook(rowsInMemory(), 'bench', nowMs)
  const applied = { counter: keyCounter(record.id, roomyLimit.name), spec: roomyLimit, level: 'key' } as const
  const limits = { specOf: () => roomyLimit, limitsOfKey: () => [applied] }
  const sync = async (request: SyncRequest): Promise<SyncReply> => {
    const holdings = request.holdings.map((holding) => ({ ...holding, want: 1_000_000_000, perSecond: 1e9 }))
    return {
      v: 1,
      boot: 'bench',
      seq: request.seq,
      ...book.serve({ ...request, holdings }, limits, nowMs),
      account: { sequence: 1, state: 'active', limits: [], changed: [], configEpoch: 0, purgeEpoch: 0 },
      keys: request.keys.map((id) => ({ id, record })),
    }
  }
  return { getByName: () => ({ sync }) }
}

function newRequest(key: string, path: string): Request<unknown, IncomingRequestCfProperties> {
  return new Request(host + path, {
    method: 'POST',
    headers: {
      host: '127.0.0.1:8787',
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'content-length': String(body.length),
      accept: 'application/json',
      'user-agent': 'OpenAI/JS 7.57.0',
      'x-stainless-lang': 'js',
      'x-stainless-retry-count': '0',
    },
    body,
  })
}

/** Puts fakes where the runtime's I/O is; the module has its isolate to itself. */
function withoutIo(): void {
  Object.assign(globalThis, {
    fetch: () => {
      fetches += 1
      noteFetch()
      return new Promise<Response>(() => undefined)
    },
    setTimeout: () => 0,
    clearTimeout: () => undefined,
  })
  Date.now = () => nowMs
}

/** The bundled configuration without a cap on calls: `fetch` never answers, so no place would ever be free again. */
function uncapped(): unknown {
  const entries = Object.entries(bundled.upstreams).map(([name, upstream]) => [
    name,
    Object.assign({}, upstream, { concurrency: { max: null } }),
  ])
  return { ...bundled, upstreams: Object.fromEntries(entries) as unknown }
}

/** Enters a request and waits until it calls `fetch`. @throws {Error} when the Worker answers itself */
async function untilFetch(enter: () => Promise<Response>): Promise<void> {
  const fetched = new Promise<void>((resolve) => {
    noteFetch = resolve
  })
  const answered = enter().then(async (res) => {
    throw new Error(`the Worker answered ${res.status} itself: ${await res.text()}`)
  })
  await Promise.race([fetched, answered])
}

export default {
  async bench(b: Bench): Promise<void> {
    withoutIo()
    const { text, record } = await issuedKey()
    const env = {
      KEYS: { get: async () => record },
      LEDGER: ledgerOf(record),
      REGISTRY: {},
      SLUICE_KEY_RING: ringText,
      OPENAI_API_KEY: 'bench-credential',
      SLUICE_CONFIG: uncapped(),
    }
    const ctx = { waitUntil: () => undefined }
    const enter = (path: string): Promise<Response> =>
      gateway.fetch(newRequest(text, path), env as unknown as Env, ctx as unknown as ExecutionContext)

    // The first requests read the key and lease permits; from then on both are in memory.
    for (let request = 0; request < 5; request += 1) await untilFetch(() => enter(plainPath))

    b.run('new_request', () => b.blackBox(newRequest(text, plainPath)))
    b.run('entry_to_fetch', () => {
      const before = fetches
      b.blackBox(enter(plainPath))
      if (fetches !== before + 1) throw new Error('fetch was not called before the Worker first yielded')
    })
    b.run('entry_to_fetch_llm', () => untilFetch(() => enter(llmPath)))
  },
}
