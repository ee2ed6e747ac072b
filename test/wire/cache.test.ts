import { setTimeout as wait } from 'node:timers/promises'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startCacheWorld, withKey, type CacheWorld } from '../support/cache-world.ts'
import { exchange } from '../support/raw-client.ts'
import { answerHead, wholeAnswer } from '../support/scripted-upstream.ts'
import { eventually } from '../support/eventually.ts'

let world: CacheWorld

beforeAll(async () => {
  world = await startCacheWorld()
})
afterAll(() => world.close())

const fresh = { 'cache-control': 'max-age=600' }

/** A part of something with a strong tag. */
function part(range: string, body: string): Buffer {
  return wholeAnswer(206, { ...fresh, etag: '"j"', 'content-range': range }, body)
}

describe('a route that caches', () => {
  it('answers the second time without its upstream, and says so', async () => {
    world.serve('/safe/a', { ...fresh, etag: '"1"', 'x-more': 'kept' })
    const first = await world.ask('/safe/a')
    const second = await world.ask('/safe/a')
    expect([first.text, first.cache]).toEqual(['answer 1', 'sluice; fwd=uri-miss; stored'])
    expect([second.text, second.headers.get('x-more')]).toEqual(['answer 1', 'kept'])
    expect(second.cache).toMatch(/^sluice; hit; ttl=(600|599)$/)
    expect(second.headers.get('age')).toMatch(/^[01]$/)
    expect(world.asked('/safe/a')).toBe(1)
  })

  it('writes what it did into the records', async () => {
    world.serve('/safe/record', fresh)
    const ids = []
    for (const _ of [1, 2]) ids.push((await world.ask('/safe/record')).headers.get('x-request-id') ?? '')
    const records = await Promise.all(ids.map((id) => world.gateway.recordsOf(id)))
    expect(records.map((each) => each.map(({ cache }) => cache))).toEqual([['stored'], ['hit']])
    expect(records[1]?.[0]).toMatchObject({ target: null, upstreamStatus: null, ending: 'complete' })
  })

  it('C42: tells host, scheme, method, path and query apart', async () => {
    world.serve('/safe/key', fresh)
    const to = { port: world.gateway.port }
    const get = (path: string, host: string) => exchange(to, { path, headers: { host } })
    await get('/safe/key', 'one.example')
    for (const [target, host] of [
      ['/safe/key', 'two.example'],
      ['/safe/key?a=1', 'one.example'],
      ['/safe/key?a=1&b=2', 'one.example'],
      ['/safe/key?b=2&a=1', 'one.example'],
      ['/safe/key', 'one.example:81'],
    ] as const) {
      const answer = await get(target, host)
      expect(answer.field('cache-status'), target + host).toContain('fwd=uri-miss')
    }
    expect(world.asked('/safe/key')).toBe(6)
  })

  it.each(['/safe/x.css', '/safe/%6De;x.css', '/safe/me%20.css'])(
    'C43: judges %s by what the upstream says, not by its name',
    async (path) => {
      world.up.on('*', (x) => x.send(wholeAnswer(200, { 'content-type': 'text/css' }, 'private')))
      await world.ask(path)
      expect((await world.ask(path)).cache).toContain('fwd=uri-miss')
    },
  )

  it.each([
    ['no-store', { 'cache-control': 'no-store' }],
    ['private', { 'cache-control': 'private, max-age=600' }],
    ['a cookie', { ...fresh, 'set-cookie': 'a=b' }],
    ['Vary: *', { ...fresh, vary: '*' }],
    ['Vary: Authorization', { ...fresh, vary: 'accept, Authorization' }],
    ['Vary: Cookie', { ...fresh, vary: 'cookie' }],
    ['nothing said', {}],
  ])('C40: keeps nothing of an answer with %s', async (what, headers) => {
    const path = `/safe/c40-${encodeURIComponent(what)}`
    world.serve(path, headers)
    await world.ask(path)
    expect((await world.ask(path)).text).toBe('answer 2')
  })

  it('C46: keeps errors as errors, for 10 s at most, and parts and heads not as wholes', async () => {
    world.up.on('/safe/gone', (x) => x.send(wholeAnswer(404, fresh, 'none')))
    await world.ask('/safe/gone')
    const again = await world.ask('/safe/gone')
    expect([again.status, again.cache]).toEqual([404, expect.stringMatching(/hit; ttl=(10|9)$/)])
    world.serve('/safe/head', fresh)
    await world.ask('/safe/head', { method: 'HEAD' })
    expect((await world.ask('/safe/head')).text).toBe('answer 2')
    world.up.on('/safe/part', (x) => x.send(part('bytes 0-3/10', 'abcd')))
    await world.ask('/safe/part', { headers: { range: 'bytes=0-3' } })
    const slice = await world.ask('/safe/part', { headers: { range: 'bytes=1-2' } })
    expect([slice.status, slice.text, slice.headers.get('content-range')]).toEqual([
      206,
      'bc',
      'bytes 1-2/10',
    ])
    world.up.on('/safe/part', (x) => x.send(wholeAnswer(200, { ...fresh, etag: '"j2"' }, '0123456789')))
    expect((await world.ask('/safe/part')).text).toBe('0123456789')
  })

  it('C47: a GET with a body is not cached, and its body goes nowhere', async () => {
    world.serve('/safe/fat', fresh)
    for (const _ of [1, 2]) {
      await exchange({ port: world.gateway.port }, { path: '/safe/fat', body: 'abc' })
    }
    expect(world.up.requests('/safe/fat').map(({ bodyBytes }) => bodyBytes)).toEqual([0, 0])
  })
})

describe('variants', () => {
  it('are told apart by what the upstream varies on, and die with their URL', async () => {
    world.up.on('/full/vary', async (x) => {
      await x.bodyEnd()
      const said = x.request.field('accept-language') ?? 'none'
      const number = world.asked('/full/vary')
      await x.send(wholeAnswer(200, { ...fresh, vary: 'Accept-Language' }, `${said} ${number}`))
    })
    const ask = async (language: string) =>
      (await world.ask('/full/vary', { headers: { 'accept-language': language } })).text
    expect([await ask('de'), await ask('fr'), await ask('de'), await ask('fr')]).toEqual([
      'de 1',
      'fr 2',
      'de 1',
      'fr 2',
    ])
    await world.ask('/full/vary', { method: 'POST', body: 'x' })
    expect(await ask('fr')).toBe('fr 4')
    expect(await ask('de')).toBe('de 5')
  })

  it('C64: no answer from the cache carries the allowance of another origin', async () => {
    world.serve('/cross/a', { ...fresh, 'access-control-allow-origin': 'https://evil.example' })
    const origins = ['https://a.example', 'https://b.example', 'null', 'https://a.example.', null]
    const allowed = []
    for (const origin of origins) {
      const { headers } = await world.ask('/cross/a', origin === null ? {} : { headers: { origin } })
      allowed.push([headers.get('access-control-allow-origin'), headers.get('vary')])
    }
    expect(allowed).toEqual([
      ['https://a.example', 'origin'],
      ['https://b.example', 'origin'],
      [null, 'origin'],
      [null, 'origin'],
      [null, 'origin'],
    ])
    expect(world.asked('/cross/a')).toBe(1)
  })

  it('compressed bytes come back as they were, and never to a client that did not ask for them', async () => {
    const bodies = { gzip: gzipSync('hello '.repeat(200)), br: brotliCompressSync('hello '.repeat(200)) }
    for (const [coding, body] of Object.entries(bodies)) {
      const path = `/safe/coded-${coding}`
      world.up.on(path, (x) => x.send(wholeAnswer(200, { ...fresh, 'content-encoding': coding }, body)))
      const get = (accept: string) =>
        exchange({ port: world.gateway.port }, { path, headers: { 'accept-encoding': accept } })
      await get(coding)
      const hit = await get(coding)
      expect(hit.body.equals(body)).toBe(true)
      expect(world.asked(path)).toBe(1)
      await get('identity')
      expect(world.asked(path)).toBe(2)
    }
  })
})

describe('credentials', () => {
  it('C38: an answer to a key is kept only where RFC 9111 §3.5 allows it', async () => {
    const { key } = world.gateway
    for (const [name, control, asked] of [
      ['plain', 'max-age=600', 2],
      ['public', 'max-age=600, public', 1],
      ['shared', 's-maxage=600', 1],
      ['must', 'max-age=600, must-revalidate', 1],
    ] as const) {
      const path = `/keyed/${name}`
      world.serve(path, { 'cache-control': control })
      for (const _ of [1, 2]) await world.ask(path, withKey(key))
      expect(world.asked(path), name).toBe(asked)
    }
  })

  it('C38: so is one to a credential that is the origin\u2019s own', async () => {
    world.serve('/safe/theirs', fresh)
    for (const _ of [1, 2]) await world.ask('/safe/theirs', { headers: { 'x-api-key': 'theirs' } })
    expect(world.asked('/safe/theirs')).toBe(2)
  })

  it('C39: what one account got, another one asks for itself, unless the scope is public', async () => {
    const { key } = world.gateway
    for (const [path, asked] of [
      ['/keyed/two', 2],
      ['/own/two', 2],
      ['/shared/two', 1],
    ] as const) {
      world.serve(path, { 'cache-control': 'public, max-age=600' })
      for (const each of [key, world.otherKey, key, world.otherKey]) await world.ask(path, withKey(each))
      expect(world.asked(path), path).toBe(asked)
    }
  })

  it('`authorized: account` keeps for the account what the origin said nothing of', async () => {
    world.serve('/own/mine', fresh)
    const { key } = world.gateway
    for (const each of [key, key, world.otherKey]) await world.ask('/own/mine', withKey(each))
    expect(world.asked('/own/mine')).toBe(2)
  })

  it('a write with the key in its query makes the stored answer untrue too', async () => {
    world.serve('/named/thing', fresh)
    const path = `/named/thing?a=1&key=${world.gateway.key}`
    expect([(await world.ask(path)).text, (await world.ask(path)).text]).toEqual(['answer 1', 'answer 1'])
    await world.ask(path, { method: 'PUT', body: 'new' })
    expect((await world.ask(path)).text).toBe('answer 3')
  })

  it('C41: a refusal says that nobody may store it', async () => {
    expect((await world.ask('/own/mine')).headers.get('cache-control')).toBe('no-store')
  })
})

describe('what is stored', () => {
  it('answers conditions and ranges, If-Range and 416', async () => {
    const validated = { ...fresh, etag: '"v"', 'last-modified': 'Wed, 01 Jan 2020 00:00:00 GMT' }
    world.serve('/safe/range', validated, '0123456789')
    await world.ask('/safe/range')
    const get = async (headers: Record<string, string>) => {
      const { status, text, headers: got } = await world.ask('/safe/range', { headers })
      return [status, text, got.get('content-range')]
    }
    expect(await get({ 'if-none-match': 'W/"v"' })).toEqual([304, '', null])
    expect(await get({ 'if-modified-since': 'Wed, 01 Jan 2020 00:00:00 GMT' })).toEqual([304, '', null])
    expect(await get({ range: 'bytes=2-4' })).toEqual([206, '234', 'bytes 2-4/10'])
    expect(await get({ range: 'bytes=-3' })).toEqual([206, '789', 'bytes 7-9/10'])
    expect(await get({ range: 'bytes=20-' })).toEqual([416, '', 'bytes */10'])
    expect(await get({ range: 'bytes=0-1,4-5' })).toEqual([200, '0123456789', null])
    expect(await get({ range: 'bytes=2-4', 'if-range': '"v"' })).toEqual([206, '234', 'bytes 2-4/10'])
    expect(await get({ range: 'bytes=2-4', 'if-range': 'W/"v"' })).toEqual([200, '0123456789', null])
    expect(await get({ range: 'bytes=2-4', 'if-none-match': '"v"' })).toEqual([304, '', null])
    const head = await world.ask('/safe/range', { method: 'HEAD' })
    expect([head.status, head.text, head.headers.get('content-length')]).toEqual([200, '', '10'])
    expect(world.asked('/safe/range')).toBe(1)
  })

  it('is asked for again when it is stale, and freshened by a 304', async () => {
    world.up.on('/safe/stale', async (x) => {
      const known = x.request.field('if-none-match')
      const headers = {
        'cache-control': 'max-age=1',
        etag: '"s"',
        'x-turn': String(world.asked('/safe/stale')),
      }
      await x.send(known === '"s"' ? wholeAnswer(304, headers, '') : wholeAnswer(200, headers, 'body'))
    })
    await world.ask('/safe/stale')
    await wait(1_100)
    const again = await world.ask('/safe/stale')
    expect([again.text, again.headers.get('x-turn')]).toEqual(['body', '2'])
    expect(again.cache).toBe('sluice; fwd=stale; fwd-status=304; stored')
    expect((await world.ask('/safe/stale')).headers.get('x-turn')).toBe('2')
  })

  it('stands in for an upstream that is gone, not for one that may not be doubted', async () => {
    for (const [name, control, status] of [
      ['stands', 'max-age=1', 200],
      ['must', 'max-age=1, must-revalidate', 502],
    ] as const) {
      const path = `/safe/gone-${name}`
      world.serve(path, { 'cache-control': control, etag: '"g"' })
      await world.ask(path)
      await wait(1_100)
      world.up.on(path, (x) => x.reset())
      expect((await world.ask(path)).status, name).toBe(status)
    }
  })

  it('stands in also when the upstream is out and not even asked', async () => {
    world.serve('/frail/stands', { 'cache-control': 'max-age=1' })
    await world.ask('/frail/stands')
    await wait(1_100)
    world.up.on('/frail/stands', (x) => x.reset())
    for (let turn = 0; turn < 6; turn += 1) expect((await world.ask('/frail/stands')).status).toBe(200)
    expect(world.asked('/frail/stands')).toBeLessThan(6)
  })

  it('serves while it is asked for again behind the back, where the upstream allows it', async () => {
    world.serve('/safe/swr', { 'cache-control': 'max-age=1, stale-while-revalidate=60' })
    await world.ask('/safe/swr')
    await wait(1_100)
    expect((await world.ask('/safe/swr')).text).toBe('answer 1')
    await eventually(() => world.asked('/safe/swr') === 2)
    await wait(100)
    expect((await world.ask('/safe/swr')).text).toBe('answer 2')
  })

  it('an answer that was on its way when its URL was written to is not kept', async () => {
    const { promise: held, resolve: release } = Promise.withResolvers<void>()
    world.up.on('/safe/race', async (x) => {
      await x.bodyEnd()
      if (x.request.method === 'GET') await held
      await x.send(wholeAnswer(200, fresh, `answer ${world.asked('/safe/race')}`))
    })
    const early = world.ask('/safe/race')
    await eventually(() => world.asked('/safe/race') === 1)
    await world.ask('/safe/race', { method: 'PUT', body: 'new' })
    release()
    await early
    expect((await world.ask('/safe/race')).text).toBe('answer 3')
  })
})

describe('a fill', () => {
  it('of parts is joined where a strong tag says that they belong together', async () => {
    world.up.on('/safe/join', (x) => x.send(part('bytes 0-3/10', '0123')))
    await world.ask('/safe/join', { headers: { range: 'bytes=0-3' } })
    world.up.on('/safe/join', (x) => x.send(part('bytes 4-9/10', '456789')))
    const whole = await world.ask('/safe/join')
    expect([whole.status, whole.text]).toEqual([200, '0123456789'])
    const asked = world.up.requests('/safe/join')[1]
    expect([asked?.field('range'), asked?.field('if-range')]).toEqual(['bytes=4-', '"j"'])
    expect((await world.ask('/safe/join')).cache).toContain('hit')
  })

  it('of a long body is kept whole, also with no declared length, and answers ranges', async () => {
    const body = Buffer.alloc(1_000_000, 'abcdefghij')
    world.up.on('/safe/long', (x) => x.send(wholeAnswer(200, fresh, body)))
    world.up.on('/safe/chunked', async (x) => {
      await x.send(answerHead(200, { ...fresh, 'transfer-encoding': 'chunked' }))
      for (let at = 0; at < body.length; at += 50_000) {
        await x.send(`${(50_000).toString(16)}\r\n${body.subarray(at, at + 50_000).toString()}\r\n`)
      }
      await x.send('0\r\n\r\n')
    })
    for (const path of ['/safe/long', '/safe/chunked']) {
      await world.ask(path)
      const hit = await world.ask(path)
      expect([hit.text.length, hit.text === body.toString()], path).toEqual([1_000_000, true])
      const slice = await world.ask(path, { headers: { range: 'bytes=500000-500004' } })
      expect([slice.status, slice.text], path).toEqual([206, 'abcde'])
      expect(world.asked(path), path).toBe(1)
    }
  })

  it('whose bytes are gone from the store is fetched again, also when the upstream says that they still hold', async () => {
    const body = 'x'.repeat(200_000)
    for (const [name, control] of [
      ['fresh', 'max-age=600'],
      ['held', 'max-age=1'],
    ] as const) {
      const path = `/safe/gone-body-${name}`
      world.up.on(path, async (x) => {
        const headers = { 'cache-control': control, etag: '"1"' }
        const known = x.request.field('if-none-match') !== null
        await x.send(known ? wholeAnswer(304, headers, '') : wholeAnswer(200, headers, body))
      })
      for (const _ of [1, 2]) await world.ask(path)
      if (name === 'held') await wait(1_000)
      await world.gateway.rig.cacheControl.dropBodies()
      const again = await world.ask(path)
      expect([again.status, again.text.length], name).toEqual([200, 200_000])
      expect((await world.ask(path)).cache, name).toContain('hit')
    }
  })

  it('over the route\u2019s limit is passed on and not kept', async () => {
    const body = 'x'.repeat(400_000)
    world.serve('/small/declared', fresh, body)
    world.up.on('/small/chunked', async (x) => {
      await x.send(answerHead(200, { ...fresh, 'transfer-encoding': 'chunked' }))
      await x.send(`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`)
    })
    for (const path of ['/small/declared', '/small/chunked']) {
      for (const _ of [1, 2]) expect((await world.ask(path)).text.length).toBe(400_000)
      expect(world.asked(path), path).toBe(2)
    }
  })

  it('C45: a client that leaves during a fill harms nothing', async () => {
    const body = Buffer.alloc(2_000_000, 'y')
    world.up.on('/safe/leave', async (x) => {
      await x.send(answerHead(200, { ...fresh, 'content-length': String(body.length) }))
      for (let at = 0; at < body.length; at += 200_000) {
        await x.send(body.subarray(at, at + 200_000))
        await x.wait(20)
      }
    })
    const leaving = new AbortController()
    const res = await fetch(`${world.gateway.url}/safe/leave`, { signal: leaving.signal })
    await res.body?.getReader().read()
    leaving.abort()
    await wait(600)
    const next = await world.ask('/safe/leave')
    expect(next.text.length).toBe(2_000_000)
  })
})
