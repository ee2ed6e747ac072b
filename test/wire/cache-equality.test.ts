import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startCacheWorld, type Asked, type CacheWorld } from '../support/cache-world.ts'
import { exchange } from '../support/raw-client.ts'
import { answerHead, wholeAnswer } from '../support/scripted-upstream.ts'

let world: CacheWorld

beforeAll(async () => {
  world = await startCacheWorld()
})
afterAll(() => world.close())

/** What differs from answer to answer, or says where it comes from. */
const own = new Set([
  'age',
  'cache-status',
  'date',
  'server-timing',
  'x-request-id',
  'connection',
  'keep-alive',
])

function comparable({ status, headers, text }: Asked): unknown {
  const kept = [...headers].filter(([name]) => !own.has(name) && name !== 'transfer-encoding')
  return { status, text, headers: kept.filter(([name]) => name !== 'content-length') }
}

const names = [
  'content-type',
  'content-language',
  'x-frame-options',
  'etag',
  'last-modified',
  'vary',
  'link',
  'expires',
  'x-odd_name',
  'content-location',
]
const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/)
const headers = fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 6 })

describe('an answer from the cache', () => {
  it('is the answer of the upstream, whatever its headers and its body', async () => {
    let turn = 0
    let hits = 0
    await fc.assert(
      fc.asyncProperty(headers, fc.string({ maxLength: 200 }), async (more, body) => {
        turn += 1
        const path = `/full/equal-${turn}`
        world.up.on(path, (x) => x.send(wholeAnswer(200, { ...more, 'cache-control': 'max-age=60' }, body)))
        const first = await world.ask(path)
        const second = await world.ask(path)
        hits += second.cache.includes('hit') ? 1 : 0
        expect(comparable(second)).toEqual(comparable(first))
      }),
      { numRuns: 150 },
    )
    expect(hits).toBeGreaterThan(100)
  })

  it('has each of several cookies on a line of its own', async () => {
    const fields = { 'cache-control': 'max-age=60', 'content-length': '2' }
    world.up.on('/full/cookies', async (x) => {
      const head = answerHead(200, fields).replace(/\r\n\r\n$/, '\r\n')
      await x.send(
        `${head}set-cookie: a=1; Expires=Wed, 01 Jan 2030 00:00:00 GMT\r\nset-cookie: b=2\r\n\r\nok`,
      )
    })
    for (const turn of [1, 2]) {
      const answer = await exchange({ port: world.gateway.port }, { path: '/full/cookies' })
      const cookies = answer.head.headers.filter(([name]) => name.toLowerCase() === 'set-cookie')
      expect(
        cookies.map(([, cookie]) => cookie),
        String(turn),
      ).toEqual(['a=1; Expires=Wed, 01 Jan 2030 00:00:00 GMT', 'b=2'])
    }
    expect(world.asked('/full/cookies')).toBe(1)
  })

  it('is passed on and not kept when its headers are longer than a store takes', async () => {
    const long = Object.fromEntries(
      Array.from({ length: 10 }, (_, at) => [`x-long-${at}`, 'v'.repeat(6_400)]),
    )
    world.serve('/safe/headers', { 'cache-control': 'max-age=60', ...long })
    for (const turn of [1, 2]) {
      const answer = await exchange({ port: world.gateway.port }, { path: '/safe/headers' })
      expect([answer.text, answer.field('x-long-9')?.length]).toEqual([`answer ${turn}`, 6_400])
    }
  })
})
