import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { DurableMode } from '../../bench/rig/durable-faults.ts'
import type { KvMode } from '../../bench/rig/kv-service.ts'
import type { DialectName } from '../../src/core/config/types.ts'
import { keyRecordName } from '../../src/core/storage-layout.ts'
import { expectRefusal } from '../support/dialect-errors.ts'
import { eventually, inParallel } from '../support/eventually.ts'
import { startGatewayUnderTest, type GatewayUnderTest, type TestKey } from '../support/gateway-under-test.ts'
import { flipped, forgedKey, unissuedKey, withOtherEnds } from '../support/minted-keys.ts'
import { exchange, RawConnection, type RawAnswer } from '../support/raw-client.ts'
import { startScriptedUpstream, wholeAnswer, type ScriptedUpstream } from '../support/scripted-upstream.ts'

let up: ScriptedUpstream
let gateway: GatewayUnderTest

beforeAll(async () => {
  up = await startScriptedUpstream()
  up.on('*', (x) => x.send(wholeAnswer(200, { 'content-type': 'text/plain' }, 'let in')))
  gateway = await startFaulty()
})

afterAll(async () => {
  await gateway.close()
  await up.close()
})

function startFaulty(): Promise<GatewayUnderTest> {
  return startGatewayUnderTest({ upstreamUrl: up.url, rig: { durableFaults: true } })
}

function ask(to: GatewayUnderTest, key: string, path = '/http/x'): Promise<RawAnswer> {
  return exchange(to, { path, headers: { authorization: `Bearer ${key}` } })
}

async function statusOf(to: GatewayUnderTest, key: string): Promise<number> {
  return (await ask(to, key)).status
}

/** Waits until KV holds the record of the key in its present state. */
async function published(to: GatewayUnderTest, { id }: TestKey, state = 'active'): Promise<void> {
  await eventually(async () => {
    const record = (await to.rig.kvControl.entries())[keyRecordName(to.account, id)]
    return record !== undefined && record.includes(`"state":"${state}"`)
  })
}

async function forgetOperations(to: GatewayUnderTest): Promise<void> {
  await to.rig.kvControl.resetStats()
  await to.rig.durableControl.resetStats()
}

/** KV reads, Durable Objects made and calls to them since the last reset. */
async function operations(to: GatewayUnderTest): Promise<object> {
  const { get, bulkGet, list } = await to.rig.kvControl.stats()
  const { made, calls } = await to.rig.durableControl.stats()
  return { reads: get + bulkGet + list, made, calls }
}

const noOperations = { reads: 0, made: {}, calls: {} }

describe('a key that nobody issued', () => {
  it('C29: is refused with no I/O: ten thousand of them make no KV read and no Durable Object', async () => {
    await forgetOperations(gateway)
    const upstreamRequests = up.requests().length
    const lanes = await inParallel(Array.from({ length: 10 }), 10, () => refusedInARow(1_000))
    expect(lanes.flat()).toEqual(Array.from({ length: 10_000 }, () => 401))
    expect(await operations(gateway)).toEqual(noOperations)
    expect(up.requests()).toHaveLength(upstreamRequests)
  })

  it('C29: is what a genuine key becomes with any one character changed', async () => {
    const { key } = await gateway.newKey()
    await forgetOperations(gateway)
    const flips = Array.from({ length: key.length }, (_, at) => flipped(key, at))
    const changed = [...flips, ...withOtherEnds(key), key.slice(0, -1), `${key}0`]
    expect(new Set([...changed, key]).size).toBeGreaterThan(key.length + 60)
    const statuses = await inParallel(changed, 8, (text) => statusOf(gateway, text))
    expect(new Set(statuses)).toEqual(new Set([401]))
    expect(await operations(gateway)).toEqual(noOperations)
    expect(await statusOf(gateway, key)).toBe(200)
  })
})

/** Pipelines requests with forged keys on one connection, fifty at a time. */
async function refusedInARow(count: number): Promise<number[]> {
  const connection = await RawConnection.open(gateway)
  const statuses: number[] = []
  while (statuses.length < count) {
    const burst = Array.from({ length: 50 }, () => {
      const headers = { authorization: `Bearer ${forgedKey(gateway.ring)}` }
      return connection.request({ path: '/v1/models', headers })
    })
    for (const live of burst) statuses.push((await live.answer()).status)
  }
  connection.destroy()
  return statuses
}

const kvModes: readonly KvMode[] = [
  { kind: 'ok' },
  { kind: 'throw', on: 'reads' },
  { kind: 'hang', on: 'reads' },
  { kind: 'slow', ms: 500, on: 'reads' },
  { kind: 'stale', on: 'reads' },
  { kind: 'none', on: 'reads' },
]
const ledgerModes: readonly DurableMode[] = [
  { kind: 'ok' },
  { kind: 'throw', className: 'Ledger', method: 'sync' },
  { kind: 'hang', className: 'Ledger', method: 'sync' },
  { kind: 'slow', ms: 200, className: 'Ledger', method: 'sync' },
]

function spelled(mode: KvMode | DurableMode): string {
  return mode.kind === 'slow' ? `slow by ${mode.ms} ms` : mode.kind
}

function answers(mode: KvMode | DurableMode): boolean {
  return mode.kind === 'ok' || mode.kind === 'stale' || mode.kind === 'slow'
}

const cells = kvModes.flatMap((kv) =>
  ledgerModes.map((ledger) => ({ kv, ledger, name: `KV ${spelled(kv)}, Ledger ${spelled(ledger)}` })),
)

/** Waits until the gateway no longer takes the Ledger for one that fails. */
async function heard(by: GatewayUnderTest): Promise<void> {
  await by.rig.kvControl.setMode({ kind: 'none', on: 'reads' })
  await by.rig.durableControl.setMode({ kind: 'ok' })
  const { key } = await by.newKey()
  await eventually(async () => (await statusOf(by, key)) === 200)
  await by.rig.kvControl.setMode({ kind: 'ok' })
}

describe('keys while their stores fail', () => {
  let known: TestKey
  let fresh: TestKey[] = []

  beforeAll(async () => {
    known = await gateway.newKey()
    expect(await statusOf(gateway, known.key)).toBe(200)
    fresh = await inParallel(cells, 6, () => gateway.newKey())
    await inParallel(fresh, 6, (key) => published(gateway, key))
  })

  afterEach(() => heard(gateway))

  it.each(cells)(
    '$name: a known key goes on; another is let in if one store answers, else 503',
    async (cell) => {
      const key = fresh[cells.indexOf(cell)]?.key ?? ''
      await gateway.rig.kvControl.setMode(cell.kv)
      await gateway.rig.durableControl.setMode(cell.ledger)
      expect(await statusOf(gateway, known.key)).toBe(200)
      const answer = await ask(gateway, key)
      expect(answer.tookMs).toBeLessThan(2_000)
      if (answers(cell.kv) || answers(cell.ledger)) {
        expect(answer.status).toBe(200)
        return
      }
      expectRefusal(answer, 'http', { status: 503, code: 'keys_unavailable' })
      expect(Number(answer.field('retry-after'))).toBeGreaterThanOrEqual(1)
      await heard(gateway)
      expect(await statusOf(gateway, key)).toBe(200)
    },
  )

  it('costs no I/O for a key in memory while its account lease lasts', async () => {
    expect(await statusOf(gateway, known.key)).toBe(200)
    await forgetOperations(gateway)
    expect(await statusOf(gateway, known.key)).toBe(200)
    expect(await operations(gateway)).toEqual(noOperations)
  })

  it('that both fail tell nobody apart: a key nobody issued is still refused with no I/O', async () => {
    await gateway.rig.kvControl.setMode({ kind: 'hang' })
    await gateway.rig.durableControl.setMode({ kind: 'hang' })
    const answer = await ask(gateway, forgedKey(gateway.ring))
    expectRefusal(answer, 'http', { status: 401, code: 'key_invalid' })
    expect(answer.tookMs).toBeLessThan(200)
  })

  it('is found by the Ledger before KV has heard of it', async () => {
    await gateway.rig.kvControl.setMode({ kind: 'stale', on: 'reads' })
    const { key } = await gateway.newKey()
    expect(await statusOf(gateway, key)).toBe(200)
  })

  it('share one read when they are asked for at the same time', async () => {
    const { key } = await gateway.newKey()
    await forgetOperations(gateway)
    const statuses = await inParallel(Array.from({ length: 20 }), 20, () => statusOf(gateway, key))
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect((await gateway.rig.kvControl.stats()).get).toBe(1)
  })
})

/** What tells two refusals apart, when the id of the request does not count. */
function withoutId(answer: RawAnswer): object {
  const id = answer.field('x-request-id') ?? ''
  const headers = answer.head.headers.map(([name, value]) => [name, value.replaceAll(id, 'ID')])
  return { start: answer.head.startLine, headers, body: answer.text.replaceAll(id, 'ID') }
}

describe('a key that is of no use', () => {
  const bad: Record<string, string> = {}

  beforeAll(async () => {
    const [revoked, expired] = [
      await gateway.newKey(),
      await gateway.newKey({ expiresAtMs: Date.now() + 1_500 }),
    ] as const
    await gateway.admin('DELETE', `/accounts/${gateway.account}/keys/${revoked.id}`)
    await published(gateway, revoked, 'revoked')
    await wait(1_600)
    Object.assign(bad, {
      malformed: 'slc_t1_nonsense',
      'too long': `slc_t1_${'a'.repeat(500)}`,
      forged: forgedKey(gateway.ring),
      'of an unknown ring': forgedKey('zz=AAAA'),
      'never issued': unissuedKey(gateway.ring, gateway.account),
      revoked: revoked.key,
      expired: expired.key,
    })
  })

  const routes: readonly [DialectName, string][] = [
    ['http', '/http/x'],
    ['openai', '/v1/models'],
    ['anthropic', '/v1/messages/batches'],
  ]
  it.each(routes)(
    'C34: is refused in the same bytes whatever is wrong with it, dialect %s',
    async (dialect, path) => {
      const seen: object[] = []
      for (const key of Object.values(bad)) {
        for (let round = 0; round < 2; round += 1) {
          const answer = await ask(gateway, key, path)
          expectRefusal(answer, dialect, { status: 401, code: 'key_invalid' })
          seen.push(withoutId(answer))
        }
      }
      for (const other of seen) expect(other).toEqual(seen[0])
    },
  )

  it('never reaches an upstream', async () => {
    up.forget()
    for (const key of Object.values(bad)) await ask(gateway, key)
    expect(up.requests()).toEqual([])
  })
})

/** How old the account lease may be. */
const leaseMs = 5_000

describe.concurrent('in time', () => {
  it('C32: a revoked key is refused within 5 s, used or not, although KV is stale', async () => {
    const own = await startFaulty()
    const [busy, idle] = [await own.newKey(), await own.newKey()] as const
    await inParallel([busy, idle], 2, (key) => published(own, key))
    expect([await statusOf(own, busy.key), await statusOf(own, idle.key)]).toEqual([200, 200])
    await own.rig.kvControl.setMode({ kind: 'stale', on: 'reads' })
    const sinceMs = performance.now()
    for (const { id } of [busy, idle]) await own.admin('DELETE', `/accounts/${own.account}/keys/${id}`)
    const statuses: number[] = []
    while (performance.now() - sinceMs < leaseMs) {
      statuses.push(await statusOf(own, busy.key))
      await wait(100)
    }
    expect(new Set([...statuses, 200])).toEqual(new Set([200, 401]))
    expect([await statusOf(own, busy.key), await statusOf(own, idle.key)]).toEqual([401, 401])
    await own.close()
  })

  it('a strict key is refused at once', async () => {
    const own = await startFaulty()
    const strict = await own.newKey({ strict: true })
    expect(await statusOf(own, strict.key)).toBe(200)
    await own.admin('DELETE', `/accounts/${own.account}/keys/${strict.id}`)
    expect(await statusOf(own, strict.key)).toBe(401)
    await own.close()
  })

  it('a changed key goes on with what it is now', async () => {
    const own = await startFaulty()
    const key = await own.newKey()
    expect(await statusOf(own, key.key)).toBe(200)
    await own.admin('PATCH', `/accounts/${own.account}/keys/${key.id}`, {
      limits: [{ kind: 'request-rate', max: 1, burst: 1, periodSeconds: 86_400 }],
    })
    await wait(leaseMs + 100)
    expect([await statusOf(own, key.key), await statusOf(own, key.key)]).toEqual([200, 429])
    await own.close()
  })

  it('C57: a known key goes on for the grace while both stores fail, and then gets 503', async () => {
    const graceMs = 3_000
    const own = await startGatewayUnderTest({
      upstreamUrl: up.url,
      settings: { keyGraceSeconds: graceMs / 1_000 },
      rig: { durableFaults: true },
    })
    const { key } = await own.newKey()
    expect(await statusOf(own, key)).toBe(200)
    await own.rig.kvControl.setMode({ kind: 'throw' })
    await own.rig.durableControl.setMode({ kind: 'hang' })
    const sinceMs = performance.now()
    const seen: [number, number][] = []
    while (performance.now() - sinceMs < leaseMs + graceMs + 1_500) {
      seen.push([await statusOf(own, key), performance.now() - sinceMs])
      await wait(100)
    }
    const lastMs = Math.max(...seen.map(([status, atMs]) => (status === 200 ? atMs : 0)))
    expect(new Set(seen.map(([status]) => status))).toEqual(new Set([200, 503]))
    expect(lastMs).toBeGreaterThan(graceMs + 2_500)
    expect(lastMs).toBeLessThan(leaseMs + graceMs + 1_000)
    await heard(own)
    expect(await statusOf(own, key)).toBe(200)
    await own.close()
  })
})
