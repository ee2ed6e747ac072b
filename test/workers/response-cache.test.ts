import { describe, expect, test } from 'vitest'
import type { StoredResponse } from '../../src/core/cache/entry.ts'
import { createResponseCache } from '../../src/platform/response-cache.ts'
import { CountingScope } from '../support/counting-scope.ts'
import { FakeClock } from '../support/fake-clock.ts'

const record: StoredResponse = {
  kind: 'response',
  id: 'i',
  status: 404,
  statusText: 'Gone away',
  fields: [['x-a', 'é']],
  url: 'https://up.example/',
  target: 't',
  path: '/',
  tags: [],
  requestedMs: 0,
  receivedMs: 0,
  initialAgeMs: 0,
  lifetimeMs: 1,
  noCache: false,
  neverStale: false,
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
  selecting: [],
  range: null,
  length: 5,
  bodyName: null,
}
const bytes = new TextEncoder().encode('hello')

/** A Cache API that counts, and fails as it is told. */
class CountedCache implements Pick<Cache, 'match' | 'put' | 'delete'> {
  matches = 0
  fails: 'no' | 'throws' | 'hangs' = 'no'

  async #fault(): Promise<void> {
    if (this.fails === 'throws') throw new Error('told to')
    if (this.fails === 'hangs') await new Promise(() => {})
  }

  async match(key: RequestInfo | URL): Promise<Response | undefined> {
    this.matches += 1
    await this.#fault()
    return caches.default.match(key)
  }

  async put(key: RequestInfo | URL, response: Response): Promise<void> {
    await this.#fault()
    return caches.default.put(key, response)
  }

  async delete(key: RequestInfo | URL): Promise<boolean> {
    await this.#fault()
    return caches.default.delete(key)
  }
}

class World {
  readonly api = new CountedCache()
  readonly clock = new FakeClock()
  readonly scope = new CountingScope()
  readonly cache = createResponseCache(() => this.api, this.clock)
  readonly name: string

  constructor(name: string) {
    this.name = `cache.example/.sluice-cache/${name}`
  }
}

describe('the response cache', () => {
  test('gives back what was put, bytes and all, from the store and then from memory with no promise', async () => {
    const world = new World('a')
    expect(await world.cache.put(world.name, { record, bytes }, 60_000, world.scope)).toBe(true)
    const held = world.cache.find(world.name, world.scope)
    expect(held).not.toBeInstanceOf(Promise)
    expect(held).toMatchObject({ record })
    expect(world.api.matches).toBe(0)
    await world.clock.advance(1_001)
    const found = await world.cache.find(world.name, world.scope)
    expect([found?.record, new TextDecoder().decode(found?.bytes ?? undefined)]).toEqual([
      { version: 1, ...record },
      'hello',
    ])
    expect(world.api.matches).toBe(1)
    expect(world.scope.counts.cache).toBe(2)
  })

  test('trusts memory for a second, and asks the store behind the back before that is over', async () => {
    const world = new World('b')
    await world.cache.put(world.name, { record, bytes }, 60_000, world.scope)
    for (let turn = 0; turn < 5; turn += 1) {
      await world.clock.advance(600)
      expect(world.cache.find(world.name, world.scope)).not.toBeInstanceOf(Promise)
      await Promise.all(world.scope.deferred)
    }
    expect(world.api.matches).toBe(5)
    await caches.default.delete(`https://${world.name}`)
    await world.clock.advance(600)
    await world.cache.find(world.name, world.scope)
    await Promise.all(world.scope.deferred)
    expect(await world.cache.find(world.name, world.scope)).toBeNull()
  })

  test('C59: a store that throws or hangs has nothing and keeps nothing, within its time', async () => {
    const world = new World('c')
    world.api.fails = 'throws'
    expect(await world.cache.find(world.name, world.scope)).toBeNull()
    expect(await world.cache.put(world.name, { record, bytes }, 60_000, world.scope)).toBe(false)
    world.api.fails = 'hangs'
    const asked = await world.clock.until(world.cache.find(world.name, world.scope))
    expect(asked).toEqual({ value: null, tookMs: 100 })
    expect(world.cache.find(world.name, world.scope)).toBeNull()
    expect(world.api.matches).toBe(2)
  })

  test('C44: a body that breaks off or has another length than it said is not there afterwards', async () => {
    const world = new World('d')
    const streams = [
      new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(bytes)
          controller.error(new Error('gone'))
        },
      }),
      new Blob([bytes]).stream(),
      new Blob([bytes]).stream(),
    ]
    const lengths = [5, 7, null]
    const limits = [100, 100, 3]
    for (const [at, stream] of streams.entries()) {
      const body = { stream, length: lengths[at] ?? null, bytesMax: limits[at] ?? 0 }
      const put = await world.clock.until(world.cache.putBody(world.name, body, 60_000, world.scope))
      expect(put.value, String(at)).toBeNull()
      expect(await world.cache.openBody(world.name, null, world.scope)).toBeNull()
    }
  })

  test('gives a slice of a body that lies apart', async () => {
    const world = new World('e')
    const body = { stream: new Blob(['0123456789']).stream(), length: 10, bytesMax: 100 }
    expect(await world.cache.putBody(world.name, body, 60_000, world.scope)).toBe(10)
    const slice = await world.cache.openBody(world.name, { from: 2, to: 5, length: 10 }, world.scope)
    expect(await new Response(slice).text()).toBe('234')
  })

  test('refuses a record that is longer than headers may be', async () => {
    const world = new World('f')
    const long = { ...record, statusText: 'x'.repeat(70_000) }
    expect(await world.cache.put(world.name, { record: long, bytes }, 60_000, world.scope)).toBe(false)
  })
})
