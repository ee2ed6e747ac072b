import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startCacheWorld, withKey, type Asked, type CacheWorld } from '../support/cache-world.ts'
import { eventually } from '../support/eventually.ts'
import { RawConnection } from '../support/raw-client.ts'
import { answerHead, wholeAnswer, type UpstreamExchange } from '../support/scripted-upstream.ts'

let world: CacheWorld

beforeAll(async () => {
  world = await startCacheWorld()
})
afterAll(() => world.close())
beforeEach(() => world.gateway.rig.cacheControl.setMode({ kind: 'ok' }))

const fresh = { 'cache-control': 'max-age=600' }
/** Beyond what is read whole, and within it. */
const sizes = [1_000, 600_000]
const deaths = [
  { what: 'a short declared body', framing: 'length', how: 'close' },
  { what: 'a reset', framing: 'length', how: 'reset' },
  { what: 'a cut chunk', framing: 'chunks', how: 'close' },
] as const

const framings: Record<string, (size: number) => Record<string, string>> = {
  length: (size) => ({ 'content-length': String(size) }),
  chunks: () => ({ 'transfer-encoding': 'chunked' }),
}

describe('C44: an upstream that breaks off during a fill', () => {
  it.each(sizes.flatMap((size) => deaths.map(({ what, framing, how }) => ({ size, what, framing, how }))))(
    'of $size bytes by $what leaves nothing behind, and the next answer is whole',
    async ({ size, what, framing, how }) => {
      const path = `/safe/cut-${size}-${what.replaceAll(' ', '-')}`
      const body = 'z'.repeat(size)
      const half = body.slice(0, size / 2)
      world.up.on(path, async (x) => {
        await x.send(answerHead(200, { ...fresh, ...framings[framing]?.(size) }))
        await x.send(framing === 'length' ? half : `${size.toString(16)}\r\n${half}`)
        await x.wait(30)
        x[how]()
      })
      const cut = await world.ask(path).then(
        ({ status }) => status,
        () => 'broken' as const,
      )
      expect(['broken', 502]).toContain(cut)
      world.serve(path, fresh, body)
      await wait(700)
      const next = await world.ask(path)
      expect([next.cache, next.text.length]).toEqual(['sluice; fwd=uri-miss; stored', size])
      expect((await world.ask(path)).text.length).toBe(size)
    },
  )
})

describe('C59: a Cache API that', () => {
  it.each(['throw', 'hang', 'none'] as const)('does %s costs no answer and 100 ms at most', async (kind) => {
    const path = `/safe/c59-${kind}`
    world.serve(path, fresh)
    await world.gateway.rig.cacheControl.setMode({ kind })
    const waits: number[] = []
    for (let turn = 0; turn < 5; turn += 1) {
      const answer = await world.ask(path)
      expect(answer.status).toBe(200)
      const [record] = await world.gateway.recordsOf(answer.headers.get('x-request-id') ?? '')
      waits.push(record?.waits['cache'] ?? 0)
    }
    expect(Math.max(...waits)).toBeLessThan(200)
  })

  it('hangs on a put holds up none of those who wait for it', async () => {
    world.up.on('/safe/hung-put', async (x) => {
      await x.wait(50)
      await x.send(wholeAnswer(200, fresh, 'body'))
    })
    await world.gateway.rig.cacheControl.setMode({ kind: 'hang', on: 'writes' })
    const beganMs = performance.now()
    const answers = await Promise.all(Array.from({ length: 3 }, () => world.ask('/safe/hung-put')))
    expect(performance.now() - beganMs).toBeLessThan(3_000)
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  })
})

describe('equal requests at one time', () => {
  it('50 of them ask the upstream once', async () => {
    world.up.on('/safe/herd', async (x) => {
      await x.wait(150)
      await x.send(wholeAnswer(200, fresh, 'one for all'))
    })
    const answers = await Promise.all(Array.from({ length: 50 }, () => world.ask('/safe/herd')))
    expect(new Set(answers.map(({ text }) => text))).toEqual(new Set(['one for all']))
    expect(world.asked('/safe/herd')).toBe(1)
    expect(answers.filter(({ cache }) => cache.includes('collapsed')).length).toBeGreaterThan(40)
  })

  it('with no declared length too, although the client of the first one leaves', async () => {
    world.up.on('/safe/leader', async (x) => {
      await x.send(answerHead(200, { ...fresh, 'transfer-encoding': 'chunked' }))
      await x.send('5\r\nhello\r\n')
      await x.wait(200)
      await x.send('6\r\n world\r\n0\r\n\r\n')
    })
    const leaving = new AbortController()
    const leader = fetch(`${world.gateway.url}/safe/leader`, { signal: leaving.signal })
    await eventually(() => world.asked('/safe/leader') === 1)
    const followers = Array.from({ length: 10 }, () => world.ask('/safe/leader'))
    await (await leader).body?.getReader().read()
    leaving.abort()
    const texts = (await Promise.all(followers)).map(({ text }) => text)
    expect(texts).toEqual(Array.from({ length: 10 }, () => 'hello world'))
    expect(world.asked('/safe/leader')).toBe(1)
  })

  it('go on with another one when the first one\u2019s client leaves before there is an answer', async () => {
    world.up.on('/safe/again', async (x) => {
      await x.wait(800)
      await x.send(wholeAnswer(200, fresh, 'at last'))
    })
    const leader = await RawConnection.open({ port: world.gateway.port })
    leader.request({ path: '/safe/again', headers: { host: `127.0.0.1:${world.gateway.port}` } })
    await eventually(() => world.asked('/safe/again') === 1)
    const followers = Array.from({ length: 10 }, () => world.ask('/safe/again'))
    await wait(100)
    leader.reset()
    const texts = (await Promise.all(followers)).map(({ text }) => text)
    expect(texts).toEqual(Array.from({ length: 10 }, () => 'at last'))
    expect(world.asked('/safe/again')).toBe(2)
  })

  it('are not put in a row when their answers may not be kept', async () => {
    let inFlight = 0
    let most = 0
    world.up.on('/safe/unkept', async (x) => {
      inFlight += 1
      most = Math.max(most, inFlight)
      await x.wait(100)
      inFlight -= 1
      await x.send(wholeAnswer(200, { 'cache-control': 'no-store' }, 'mine'))
    })
    await world.ask('/safe/unkept')
    await Promise.all(Array.from({ length: 20 }, () => world.ask('/safe/unkept')))
    expect(world.asked('/safe/unkept')).toBe(21)
    expect(most).toBeGreaterThan(10)
  })
})

describe('a target that takes one call at a time', () => {
  const part = { ...fresh, etag: '"p"', 'content-range': 'bytes 0-3/10' }

  it('is asked again where what it said fits nothing that is stored', async () => {
    world.up.on('/single/part', (x) => x.send(wholeAnswer(206, part, '0123')))
    await world.ask('/single/part', { headers: { range: 'bytes=0-3' } })
    world.up.on('/single/part', (x) =>
      (x.request.field('range') ?? '') === ''
        ? x.send(wholeAnswer(200, fresh, 'another'))
        : x.send(wholeAnswer(206, { ...part, etag: '"q"', 'content-range': 'bytes 4-9/10' }, '456789')),
    )
    const whole = await world.ask('/single/part')
    expect([whole.status, whole.text]).toEqual([200, 'another'])
    world.serve('/single/next', {})
    expect((await world.ask('/single/next')).status).toBe(200)
  })

  it('has its place taken until the store has read what a client left', async () => {
    const { promise: held, resolve: release } = Promise.withResolvers<void>()
    world.up.on('/single/leave', async (x) => {
      await x.send(answerHead(200, { ...fresh, 'content-length': '300000' }))
      await x.send('z'.repeat(150_000))
      await held
      await x.send('z'.repeat(150_000))
    })
    world.serve('/single/other', {})
    const leaving = new AbortController()
    const res = await fetch(`${world.gateway.url}/single/leave`, { signal: leaving.signal })
    await res.body?.getReader().read()
    leaving.abort()
    const left = await world.gateway.recordsOf(res.headers.get('x-request-id') ?? '')
    expect(left[0]?.ending).toBe('client_left')
    expect((await world.ask('/single/other')).status).toBe(503)
    release()
    await eventually(async () => (await world.ask('/single/other')).status === 200)
    expect((await world.ask('/single/leave')).cache).toContain('hit')
  })
})

describe('a key that is revoked during a fill', () => {
  it('ends its client\u2019s answer at once and not the store\u2019s, where the route cuts', async () => {
    const { promise: held, resolve: release } = Promise.withResolvers<void>()
    world.up.on('/cut/revoked', async (x) => {
      await x.send(answerHead(200, { ...fresh, 'content-length': '300000' }))
      await x.send('z'.repeat(150_000))
      await held
      await x.send('z'.repeat(150_000))
    })
    const issued = await world.gateway.newKey()
    const res = await fetch(`${world.gateway.url}/cut/revoked`, withKey(issued.key))
    const read = res.text().catch(() => 'broken')
    await world.gateway.admin('DELETE', `/accounts/${world.gateway.account}/keys/${issued.id}`)
    expect(await read).toBe('broken')
    const [record] = await world.gateway.recordsOf(res.headers.get('x-request-id') ?? '')
    expect(record?.ending).toBe('stopped')
    release()
    const { key } = world.gateway
    await eventually(async () => (await world.ask('/cut/revoked', withKey(key))).cache.includes('hit'))
  })
})

describe('two accounts', () => {
  it('never get each other\u2019s answers: 1,000 requests side by side, some of which leave early', async () => {
    const { key } = world.gateway
    const keys = [key, world.otherKey]
    world.up.on('*', answerOwner)
    let crossed = 0
    let answered = 0
    const one = async (at: number): Promise<void> => {
      const who = at % 2
      const leaving = new AbortController()
      const path = `/own/shared-${at % 7}`
      const asking = world.ask(path, {
        ...withKey(keys[who] ?? '', { 'x-who': String(who) }),
        signal: leaving.signal,
      })
      if (at % 5 === 0) setTimeout(() => leaving.abort(), at % 13)
      const answer: Asked | null = await asking.catch(() => null)
      if (answer === null) return
      answered += 1
      if (answer.text !== `for ${who}`) crossed += 1
    }
    for (let at = 0; at < 1_000; at += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, offset) => one(at + offset)))
    }
    expect(crossed).toBe(0)
    expect(answered).toBeGreaterThan(700)
    expect(world.up.requests().length).toBeLessThan(800)
  })
})

async function answerOwner(x: UpstreamExchange): Promise<void> {
  await x.wait(Math.random() * 15)
  await x.send(wholeAnswer(200, { 'cache-control': 'max-age=1' }, `for ${x.request.field('x-who')}`))
}
