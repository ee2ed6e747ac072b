import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startCacheWorld, withKey, type CacheWorld } from '../support/cache-world.ts'
import { wholeAnswer } from '../support/scripted-upstream.ts'

let world: CacheWorld

beforeAll(async () => {
  world = await startCacheWorld()
})
afterAll(() => world.close())

const fresh = { 'cache-control': 'max-age=600', etag: '"1"', 'cache-tag': 'one, two' }

async function purge(body: object): Promise<void> {
  const { status } = await world.gateway.admin('POST', `/accounts/${world.gateway.account}/purges`, body)
  expect(status).toBe(200)
}

/** Asks until the answer is no hit any more. @returns how long that took, and what Cache-Status said then */
async function untilNoHit(path: string): Promise<{ readonly ms: number; readonly cache: string }> {
  const beganMs = performance.now()
  for (;;) {
    const { cache } = await world.ask(path, withKey(world.gateway.key))
    const ms = performance.now() - beganMs
    if (!cache.includes('; hit') || ms > 10_000) return { ms, cache }
    await wait(50)
  }
}

describe('a purge of an account', () => {
  it.each([
    ['by tag', { tag: 'two', hard: true }, 'fwd=uri-miss'],
    ['by prefix', { prefix: '/own/deep', hard: true }, 'fwd=uri-miss'],
    ['by URL', { url: '/own/deep/a?x=1', hard: true }, 'fwd=uri-miss'],
    ['of all, softly', { all: true }, 'fwd=stale; fwd-status=304'],
  ])('%s is in force within 5 s, and no other account is concerned', async (_how, body, expected) => {
    const path = '/own/deep/a?x=1'
    world.up.on('/own/deep/a', async (x) => {
      const held = x.request.field('if-none-match') === '"1"'
      await x.send(held ? wholeAnswer(304, fresh, '') : wholeAnswer(200, fresh, 'body'))
    })
    // What was asked for within 2 s after the purge before would count as purged by it.
    await wait(2_100)
    for (const key of [world.gateway.key, world.otherKey]) {
      for (const _ of [1, 2]) await world.ask(path, withKey(key))
    }
    const hit = await world.ask(path, withKey(world.gateway.key))
    expect([hit.cache, hit.headers.get('cache-tag')]).toEqual([expect.stringContaining('; hit'), null])
    await purge(body)
    const { ms, cache } = await untilNoHit(path)
    expect(cache).toContain(expected)
    expect(ms).toBeLessThan(5_500)
    expect((await world.ask(path, withKey(world.otherKey))).cache).toContain('; hit')
  })
})
