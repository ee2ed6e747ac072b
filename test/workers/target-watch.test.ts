import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { targetKey, type TargetHint } from '../../src/core/upstream/hints.ts'
import { checksOf, type TargetCheck } from '../../src/core/upstream/target-check.ts'
import { defaultHealth } from '../../src/core/config/defaults.ts'
import type { Target } from '../../src/core/config/types.ts'
import type { Ledger } from '../../src/durable/ledger/ledger.ts'
import type { Registry } from '../../src/durable/registry.ts'
import { targetWith, upstreamWith } from '../support/routes.ts'
import { dumpObject, openLedger } from './support/objects.ts'
import { Isolate } from './support/sync-messages.ts'

let account: string
let ledger: DurableObjectStub<Ledger>
let registry: DurableObjectStub<Registry>
let made = 0

/** What targets were asked, and what they answer: a status, or nothing at all. */
let asked: Request[] = []
let answers: Record<string, number | 'gone'> = {}

const everyMs = 30_000
const health = { ...defaultHealth, checkEveryMs: everyMs }

function targetAt(host: string, change: Partial<Target> = {}): Target {
  return targetWith({ id: `up/${host}`, origin: `https://${host}.test`, checkPath: '/v1/models', ...change })
}

function checksAt(...hosts: string[]): readonly TargetCheck[] {
  return checksOf(
    upstreamWith(
      hosts.map((host) => targetAt(host)),
      { health },
    ),
  )
}

const keyOf = (host: string): string => targetKey(targetAt(host))

beforeEach(async () => {
  made += 1
  ;({ account, ledger } = await openLedger('watching'))
  registry = env.REGISTRY.getByName(`watch-${made}`)
  asked = []
  answers = {}
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    const request = new Request(input, init)
    asked.push(request)
    const answer = answers[new URL(request.url).hostname.replace('.test', '')] ?? 200
    if (answer === 'gone') throw new Error('Network connection lost.')
    return new Response('{"data":[]}', { status: answer })
  })
})

afterEach(() => {
  vi.restoreAllMocks()
})

const want = (checks: readonly TargetCheck[]) => registry.watchTargets({ account, generation: 1 }, checks)
const alarmMs = () => runInDurableObject(registry, (_, state) => state.storage.getAlarm())

/** Lets so much time pass for what the Registry has stored. */
async function later(ms: number): Promise<void> {
  await runInDurableObject(registry, (_, { storage }) => {
    storage.sql.exec(
      'UPDATE target_checks SET checked_at = max(0, checked_at - ?), until = until - ?',
      ms,
      ms,
    )
    storage.sql.exec('UPDATE target_ledgers SET until = until - ?', ms)
  })
}

/** What the Ledger tells an isolate of targets. */
async function told(): Promise<readonly TargetHint[]> {
  return (await new Isolate(`isolate-${Math.random()}`).sync(ledger)).hints ?? []
}

const asksOf = (host: string): number => asked.filter(({ url }) => url.includes(`//${host}.`)).length

describe('the alarm of the Registry', () => {
  test('asks each target once with GET and no body, however many accounts and isolates want it', async () => {
    const others = [await openLedger('watching'), await openLedger('watching')]
    await want(checksAt('one', 'two'))
    for (const other of others) {
      await registry.watchTargets({ account: other.account, generation: 1 }, checksAt('one', 'two'))
    }
    await want(checksAt('one', 'two'))
    expect(await runDurableObjectAlarm(registry)).toBe(true)
    expect(asked.map(({ url }) => url).toSorted()).toEqual([
      'https://one.test/v1/models',
      'https://two.test/v1/models',
    ])
    for (const { method, body, redirect } of asked) {
      expect([method, body, redirect]).toEqual(['GET', null, 'manual'])
    }
  })

  test('takes the target’s own secret from the Worker, and asks nothing where it is not there', async () => {
    const secret = { secret: 'WATCHED_KEY', header: 'x-api-key', prefix: '' }
    const absent = { secret: 'NOBODY_SET_IT', header: 'x-api-key', prefix: '' }
    await runInDurableObject(registry, (instance) => {
      const watch = (instance as unknown as { env: object }).env
      Object.assign(watch, { WATCHED_KEY: 's3cret\n' })
    })
    const targets = [targetAt('one', { secret, dialect: 'anthropic' }), targetAt('two', { secret: absent })]
    await want(checksOf(upstreamWith([...targets, targetAt('three')], { health })))
    await runDurableObjectAlarm(registry)
    const sent = Object.fromEntries(asked.map(({ url, headers }) => [url, Object.fromEntries(headers)]))
    expect(sent).toEqual({
      'https://one.test/v1/models': {
        accept: '*/*',
        'x-api-key': 's3cret',
        'anthropic-version': '2023-06-01',
      },
      'https://three.test/v1/models': { accept: '*/*' },
    })
    expect(await dumpObject(registry)).not.toContain('s3cret')
  })

  test('goes on at its interval, and ends when nobody has wanted it for five minutes', async () => {
    const startMs = Date.now()
    await want(checksAt('one'))
    await runDurableObjectAlarm(registry)
    expect((await alarmMs()) ?? 0).toBeGreaterThanOrEqual(startMs + everyMs)
    expect((await alarmMs()) ?? 0).toBeLessThan(Date.now() + everyMs + 1)
    let rounds = 0
    while ((await alarmMs()) !== null && rounds < 50) {
      await later(everyMs)
      await runDurableObjectAlarm(registry)
      rounds += 1
    }
    expect(rounds).toBeLessThanOrEqual(10)
    expect(asked.length).toBe(rounds)
    expect(await want([])).toEqual([])
    expect(await dumpObject(registry)).not.toContain('one.test')
  })

  test('asks no more often for being told more often', async () => {
    for (let at = 0; at < 10; at += 1) await want(checksAt('one'))
    await runDurableObjectAlarm(registry)
    for (let at = 0; at < 10; at += 1) await want(checksAt('one'))
    await runDurableObjectAlarm(registry)
    expect(asked).toHaveLength(1)
  })

  test('goes on after a restart', async () => {
    answers['one'] = 'gone'
    await want(checksAt('one'))
    await runDurableObjectAlarm(registry)
    await evictDurableObject(registry)
    await later(everyMs)
    expect(await want(checksAt('one'))).toMatchObject([{ target: keyOf('one'), state: 'out' }])
    await runDurableObjectAlarm(registry)
    expect(asksOf('one')).toBe(4)
  })

  test('asks of what it is told nothing that no configuration may hold, and no more than 64 targets', async () => {
    const [good] = checksAt('one')
    if (good === undefined) throw new Error('no check')
    const bad = [
      { ...good, target: 'bad/0', as: { ...good.as, secret: { secret: 'SLUICE_OPERATOR_TOKEN' } } },
      { ...good, target: 'bad/1', as: { ...good.as, origin: 'https://user@bad.test' } },
      { ...good, target: 'bad/2', as: { ...good.as, checkPath: '/../bad' } },
      { ...good, target: 'bad/3', everyMs: 1 },
      'bad',
    ]
    await want(bad as readonly TargetCheck[])
    for (let at = 0; at < 5; at += 1) {
      await want(checksAt(...Array.from({ length: 30 }, (_, each) => `host-${at}-${each}`)))
    }
    await runDurableObjectAlarm(registry)
    expect(asked).toHaveLength(64)
    expect(asked.filter(({ url }) => url.includes('bad'))).toEqual([])
  })
})

describe('a target that', () => {
  test('is down is asked once more, then the Ledgers are told, and again when it is back', async () => {
    await want(checksAt('one', 'two'))
    await runDurableObjectAlarm(registry)
    expect(await told()).toEqual([])
    answers['one'] = 'gone'
    await later(everyMs)
    await runDurableObjectAlarm(registry)
    expect([asksOf('one'), asksOf('two')]).toEqual([3, 2])
    expect(await told()).toMatchObject([{ target: keyOf('one'), state: 'out' }])
    answers['one'] = 200
    await later(everyMs)
    await runDurableObjectAlarm(registry)
    expect(await told()).toMatchObject([{ target: keyOf('one'), state: 'well' }])
  })

  test.each([503, 429, 'gone'] as const)('answers a check with %s is out', async (answer) => {
    answers['one'] = answer
    await want(checksAt('one'))
    await runDurableObjectAlarm(registry)
    expect(await told()).toMatchObject([{ state: 'out' }])
  })

  test.each([301, 401, 404])('answers a check with %i is there', async (answer) => {
    answers['one'] = answer
    await want(checksAt('one'))
    await runDurableObjectAlarm(registry)
    expect(await told()).toEqual([])
    expect(asked).toHaveLength(1)
  })

  test('fails one check of two is not out', async () => {
    let asks = 0
    vi.mocked(fetch).mockImplementation(async () => {
      asks += 1
      return new Response(null, { status: asks === 1 ? 503 : 200 })
    })
    await want(checksAt('one'))
    await runDurableObjectAlarm(registry)
    expect([asks, await told()]).toEqual([2, []])
  })

  test('was found out while nobody called is known to a Ledger that was evicted since', async () => {
    answers['one'] = 'gone'
    await want(checksAt('one'))
    await runDurableObjectAlarm(registry)
    await evictDurableObject(ledger)
    expect(await told()).toMatchObject([{ target: keyOf('one'), state: 'out' }])
  })
})

const out = (target: string): TargetHint => ({ target, state: 'out', agoMs: 100, forMs: 10_000 })

/** Puts another Registry in the place of the one that the Ledger asks. */
async function replaceRegistry(watchTargets: (...said: unknown[]) => Promise<unknown>): Promise<void> {
  await runInDurableObject(ledger, (instance) => {
    const { env: bindings } = instance as unknown as { env: object }
    const changed = { ...bindings, REGISTRY: { getByName: () => ({ watchTargets }) } }
    Object.defineProperty(instance, 'env', { value: changed })
  })
}

describe('a Ledger', () => {
  test('tells each isolate what the others have taken out, and writes no row for it', async () => {
    const before = await dumpObject(ledger)
    await new Isolate('a').sync(ledger, { hints: [out('up/0#1')] })
    const [hint] = await told()
    expect(hint).toMatchObject({ target: 'up/0#1', state: 'out' })
    expect(hint?.agoMs).toBeGreaterThanOrEqual(100)
    expect(hint?.forMs).toBeLessThanOrEqual(10_000)
    expect(await dumpObject(ledger)).toBe(before)
  })

  test('says nothing of targets where there is nothing to say, and understands an isolate that says nothing', async () => {
    const reply = await new Isolate('a').sync(ledger)
    expect(Object.hasOwn(reply, 'hints')).toBe(false)
    const odd = { hints: 'none', checks: [{ target: 7 }] } as unknown as Partial<
      Parameters<Isolate['message']>[0]
    >
    expect(await new Isolate('b').sync(ledger, odd)).toMatchObject({ account: { state: 'active' } })
  })

  test('asks the Registry for checks once a minute at most, and answers without waiting for it', async () => {
    const wanted: unknown[] = []
    let isAnswered = false
    await replaceRegistry(async (...said) => {
      wanted.push(said)
      await new Promise((resolve) => {
        setTimeout(resolve, 5_000)
      })
      isAnswered = true
      return []
    })
    for (let at = 0; at < 5; at += 1) {
      const reply = await new Isolate(`i${at}`).sync(ledger, {
        checks: checksAt('one', at < 3 ? 'one' : 'two'),
      })
      expect(reply.account).toMatchObject({ state: 'active' })
    }
    expect(isAnswered).toBe(false)
    expect(wanted).toEqual([
      [{ account, generation: 1 }, checksAt('one', 'one')],
      [{ account, generation: 1 }, checksAt('two')],
    ])
  })

  test('goes on without a Registry that fails', async () => {
    await replaceRegistry(() => Promise.reject(new Error('no')))
    const reply = await new Isolate('a').sync(ledger, { checks: checksAt('one') })
    expect(reply.account).toMatchObject({ state: 'active' })
  })

  test('that nobody opened learns nothing of targets and stays empty', async () => {
    const stranger = env.LEDGER.getByName('ledger:nobody0002:1')
    await stranger.hearTargets([out('up/0#1')])
    const reply = await new Isolate('a').sync(stranger, { hints: [out('up/0#1')], checks: checksAt('one') })
    expect([reply.account, reply.hints]).toEqual([null, undefined])
    expect(await dumpObject(stranger)).toBe('[]')
  })
})
