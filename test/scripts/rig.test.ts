import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startPassthrough } from '../../bench/rig/plain-worker.ts'
import { startRig, type Rig, type RigOptions } from '../../bench/rig/rig.ts'

const wranglerToml = `
name = "rig-test"
compatibility_date = "2026-10-23"
compatibility_flags = ["enable_request_signal"]
[[kv_namespaces]]
binding = "STORE"
[[durable_objects.bindings]]
name = "COUNTER"
class_name = "Counter"
[exports.Counter]
type = "durable-object"
storage = "sqlite"
[secrets]
required = ["TOKEN"]
`

const worker = `
import { DurableObject } from 'cloudflare:workers'
export class Counter extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env)
    ctx.storage.sql.exec('CREATE TABLE IF NOT EXISTS counts (n INTEGER)')
  }
  add(n) { this.ctx.storage.sql.exec('INSERT INTO counts VALUES (?)', n); return this.total() }
  total() { return this.ctx.storage.sql.exec('SELECT coalesce(sum(n), 0) AS n FROM counts').one().n }
  async later() { await this.ctx.storage.setAlarm(Date.now()); return true }
  alarm() { this.add(100) }
}
export default {
  async fetch(req, env) {
    const { pathname, searchParams } = new URL(req.url)
    const counter = env.COUNTER.getByName('one')
    if (pathname === '/bindings') return Response.json({ token: env.TOKEN, settings: env.SETTINGS })
    if (pathname === '/proxy') return fetch(searchParams.get('to'))
    try {
      const [target, operation] = pathname.slice(1).split('/')
      const args = await req.json()
      const result = target === 'kv' ? await env.STORE[operation](...args) : await counter[operation](...args)
      return Response.json(result instanceof Map ? Object.fromEntries(result) : (result ?? null))
    } catch (error) {
      return Response.json({ threw: error.message }, { status: 500 })
    }
  },
}
`

let folder = ''
const rigs: Rig[] = []

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-rig-test-'))
  writeFileSync(join(folder, 'wrangler.toml'), wranglerToml)
  writeFileSync(join(folder, 'index.js'), worker)
  mkdirSync(join(folder, 'durable'))
})
afterEach(async () => {
  await Promise.all(rigs.splice(0).map((rig) => rig.close()))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function start(options: RigOptions = {}): Promise<Rig> {
  const rig = await startRig({
    bundle: join(folder, 'index.js'),
    config: join(folder, 'wrangler.toml'),
    bindings: { TOKEN: 'a "quoted"\n\\ token é', SETTINGS: { list: [1, 'two'] } },
    ...options,
  })
  rigs.push(rig)
  return rig
}

async function ask(rig: Rig, path: string, ...args: unknown[]): Promise<unknown> {
  const res = await fetch(`${rig.url}/${path}`, { method: 'POST', body: JSON.stringify(args) })
  return res.json()
}

async function outcomeWithin(ms: number, work: Promise<unknown>): Promise<unknown> {
  return Promise.race([work, wait(ms, 'still waiting')])
}

describe('a rig', () => {
  it('hands text and JSON bindings to the Worker unchanged', async () => {
    const rig = await start()
    const res = await fetch(`${rig.url}/bindings`)
    expect(await res.json()).toEqual({ token: 'a "quoted"\n\\ token é', settings: { list: [1, 'two'] } })
  })

  it('names the secrets it was not given, and leaves out the ones that are null', async () => {
    await expect(start({ bindings: {} })).rejects.toThrow('TOKEN')
    const rig = await start({ bindings: { TOKEN: null } })
    const res = await fetch(`${rig.url}/bindings`)
    expect(await res.json()).toEqual({})
  })

  it('says why a Worker does not start', async () => {
    writeFileSync(join(folder, 'broken.js'), 'export default {')
    await expect(start({ bundle: join(folder, 'broken.js') })).rejects.toThrow('SyntaxError')
  })

  it('is gone, with its port, once closed', async () => {
    const rig = await start()
    await rig.close()
    expect(() => process.kill(rig.pid, 0)).toThrow('ESRCH')
    await expect(fetch(rig.url)).rejects.toThrow('fetch failed')
  })

  it('reports memory and CPU time of its own process', async () => {
    const rig = await start()
    const before = rig.cpuNs()
    for (let turn = 0; turn < 50; turn++) await ask(rig, 'counter/add', 1)
    expect(rig.cpuNs()).toBeGreaterThan(before)
    expect(rig.rssBytes()).toBeGreaterThan(10_000_000)
    expect(rig.memory().anonymous).toBeLessThan(rig.memory().total)
  })

  it('lets the Worker reach upstreams on this machine', async () => {
    const upstream = createServer((_req, res) => res.end('from upstream')).listen(0, '127.0.0.1')
    await new Promise((resolve) => upstream.once('listening', resolve))
    const rig = await start()
    const to = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/`
    const res = await fetch(`${rig.url}/proxy?to=${encodeURIComponent(to)}`)
    expect(await res.text()).toBe('from upstream')
    upstream.close()
    upstream.closeAllConnections()
  })

  it('writes a structural trace and serves the inspector when asked', async () => {
    const asyncTrace = join(folder, 'trace.jsonl')
    const rig = await start({ asyncTrace, inspector: true })
    await ask(rig, 'kv/get', ['a'])
    const targets = await fetch(rig.inspectorUrl.replace('ws', 'http').replace('/main', '/json'))
    expect(JSON.stringify(await targets.json())).toContain(new URL(rig.inspectorUrl).host)
    await rig.close()
    expect(readFileSync(asyncTrace, 'utf8').trim().split('\n').length).toBeGreaterThan(3)
  })

  it('keeps Durable Objects in a folder over a restart, and forgets them without one', async () => {
    const durableFolder = join(folder, 'durable')
    const first = await start({ durableFolder })
    await ask(first, 'counter/add', 7)
    await first.close()
    const second = await start({ durableFolder })
    expect(await ask(second, 'counter/total')).toBe(7)
    expect(await ask(await start(), 'counter/total')).toBe(0)
  })

  it('runs alarms', async () => {
    const rig = await start()
    await ask(rig, 'counter/later')
    await expect.poll(() => ask(rig, 'counter/total'), { timeout: 5_000 }).toBe(100)
  })
})

describe('its KV namespace', () => {
  it('stores, reads, lists and deletes what the binding of workerd asks for', async () => {
    const rig = await start()
    await ask(rig, 'kv/put', 'a/b c%', 'one', { metadata: { v: 1 }, expirationTtl: 60 })
    await ask(rig, 'kv/put', 'a/d', '{"two":2}')
    expect(await ask(rig, 'kv/get', 'a/b c%', { cacheTtl: 30 })).toBe('one')
    expect(await ask(rig, 'kv/get', 'a/d', 'json')).toEqual({ two: 2 })
    expect(await ask(rig, 'kv/getWithMetadata', 'a/b c%')).toMatchObject({ value: 'one', metadata: { v: 1 } })
    expect(await ask(rig, 'kv/get', ['a/d', 'none'])).toEqual({ 'a/d': '{"two":2}', none: null })
    expect(await ask(rig, 'kv/list', { prefix: 'a/', limit: 1 })).toMatchObject({
      keys: [{ name: 'a/b c%', metadata: { v: 1 } }],
      list_complete: false,
      cursor: 'a/b c%',
    })
    expect(await ask(rig, 'kv/list', { cursor: 'a/b c%' })).toMatchObject({
      keys: [{ name: 'a/d' }],
      list_complete: true,
    })
    await ask(rig, 'kv/delete', 'a/d')
    expect(await ask(rig, 'kv/get', 'a/d')).toBeNull()
  })

  it.each([
    ['get', ['k', { cacheTtl: 29 }]],
    ['put', ['k', 'v', { expirationTtl: 59 }]],
    ['put', ['x'.repeat(513), 'v']],
    ['get', [Array.from({ length: 101 }, (_, index) => `k${index}`)]],
  ])('refuses %s beyond the limits of the platform', async (operation, args) => {
    expect(await ask(await start(), `kv/${operation}`, ...args)).toHaveProperty('threw')
  })

  it('counts operations, failed ones too, until it is told to begin anew', async () => {
    const rig = await start()
    await ask(rig, 'kv/put', 'k', 'v')
    await ask(rig, 'kv/get', 'k')
    await rig.kvControl.setMode({ kind: 'throw' })
    await ask(rig, 'kv/get', 'k')
    await ask(rig, 'kv/get', ['k', 'l'])
    expect(await rig.kvControl.stats()).toEqual({ get: 2, bulkGet: 1, put: 1, delete: 0, list: 0 })
    await rig.kvControl.resetStats()
    expect(await rig.kvControl.stats()).toEqual({ get: 0, bulkGet: 0, put: 0, delete: 0, list: 0 })
  })

  it('fails, hangs, is slow, stale or empty as told, and well again after', async () => {
    const rig = await start()
    await ask(rig, 'kv/put', 'k', 'old')
    await rig.kvControl.setMode({ kind: 'throw' })
    expect(await ask(rig, 'kv/get', 'k')).toHaveProperty('threw')
    await rig.kvControl.setMode({ kind: 'throw', on: 'writes' })
    expect(await ask(rig, 'kv/put', 'k', 'lost')).toHaveProperty('threw')
    expect(await ask(rig, 'kv/get', 'k')).toBe('old')
    await rig.kvControl.setMode({ kind: 'stale' })
    await ask(rig, 'kv/put', 'k', 'new')
    expect(await ask(rig, 'kv/get', 'k')).toBe('old')
    await rig.kvControl.setMode({ kind: 'none' })
    expect(await ask(rig, 'kv/get', 'k')).toBeNull()
    await rig.kvControl.setMode({ kind: 'slow', ms: 300 })
    const slow = ask(rig, 'kv/get', 'k')
    expect(await outcomeWithin(150, slow)).toBe('still waiting')
    expect(await slow).toBe('new')
    await rig.kvControl.setMode({ kind: 'hang' })
    expect(
      await outcomeWithin(
        500,
        ask(rig, 'kv/get', 'k').catch(() => 'closed'),
      ),
    ).toBe('still waiting')
    await rig.kvControl.setMode({ kind: 'ok' })
    expect(await ask(rig, 'kv/get', 'k')).toBe('new')
    expect(await rig.kvControl.entries()).toEqual({ k: 'new' })
  })
})

describe('its Durable Objects under faults', () => {
  it('counts objects and calls, and fails, hangs, is slow or stale as told', async () => {
    const rig = await start({ durableFaults: true })
    expect(await rig.durableControl.stats()).toEqual({ made: {}, calls: {} })
    expect(await ask(rig, 'counter/add', 2)).toBe(2)
    expect(await ask(rig, 'counter/total')).toBe(2)
    expect(await rig.durableControl.stats()).toEqual({
      made: { Counter: 1 },
      calls: { 'Counter.add': 1, 'Counter.total': 2 },
    })
    await rig.durableControl.setMode({ kind: 'stale', method: 'total' })
    expect(await ask(rig, 'counter/add', 3)).toBe(2)
    expect(await ask(rig, 'counter/total')).toBe(2)
    await rig.durableControl.setMode({ kind: 'throw', className: 'Counter' })
    expect(await ask(rig, 'counter/total')).toEqual({ threw: 'The Durable Object was told to fail.' })
    await rig.durableControl.setMode({ kind: 'throw', className: 'Another' })
    expect(await ask(rig, 'counter/total')).toBe(5)
    await rig.durableControl.setMode({ kind: 'slow', ms: 300 })
    const slow = ask(rig, 'counter/total')
    expect(await outcomeWithin(150, slow)).toBe('still waiting')
    expect(await slow).toBe(5)
    await rig.durableControl.setMode({ kind: 'hang' })
    expect(
      await outcomeWithin(
        500,
        ask(rig, 'counter/total').catch(() => 'closed'),
      ),
    ).toBe('still waiting')
    await rig.durableControl.setMode({ kind: 'ok' })
    expect(await ask(rig, 'counter/total')).toBe(5)
  })
})

describe('the pass-through Worker', () => {
  it('hands method, path, query, body and status on', async () => {
    const upstream = createServer((req, res) => {
      res.writeHead(418, { 'x-seen': `${req.method} ${req.url}` })
      req.pipe(res)
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => upstream.once('listening', resolve))
    const passthrough = await startPassthrough(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`)
    const res = await fetch(`${passthrough.url}/a/b?c=d`, { method: 'POST', body: 'echo' })
    expect([res.status, res.headers.get('x-seen'), await res.text()]).toEqual([418, 'POST /a/b?c=d', 'echo'])
    await passthrough.close()
    upstream.close()
    upstream.closeAllConnections()
  })
})
