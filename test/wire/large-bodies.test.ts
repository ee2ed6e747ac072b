import { Buffer } from 'node:buffer'
import { createHash, type Hash } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { patternBytes } from '../../bench/mock/seeded.ts'
import { startMock, type RunningMock } from '../../bench/mock/server.ts'
import { expectRefusal } from '../support/dialect-errors.ts'
import { eventually } from '../support/eventually.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { chunk, fieldOf, lastChunk } from '../support/http-message.ts'
import { exchange, RawConnection } from '../support/raw-client.ts'
import {
  answerHead,
  startScriptedUpstream,
  wholeAnswer,
  type ScriptedUpstream,
} from '../support/scripted-upstream.ts'

const megabyte = 1_048_576
const large = 100 * megabyte
const growthMax = 20 * megabyte
const smallLimit = 1_000_000
/** How long the body of a hasty route may take. */
const bodyMs = 1_000

let mock: RunningMock
let up: ScriptedUpstream
let gateway: GatewayUnderTest

beforeAll(async () => {
  mock = await startMock()
  up = await startScriptedUpstream()
  gateway = await startGatewayUnderTest({
    upstreamUrl: mock.url,
    upstreams: { scripted: { dialect: 'http', targets: [{ origin: up.url }] } },
    routes: [
      { id: 'scripted', path: '/scripted/*', upstream: 'scripted', rewrite: '/*' },
      { id: 'small', path: '/small/*', upstream: 'scripted', rewrite: '/*', bodyBytesMax: smallLimit },
      { id: 'hasty', path: '/hasty/*', upstream: 'scripted', rewrite: '/*', bodyMs },
      { id: 'small-llm', path: '/small-llm/*', upstream: 'openai', rewrite: '/*', bodyBytesMax: smallLimit },
    ],
  })
})

afterAll(async () => {
  await gateway.close()
  await up.close()
  await mock.close()
})

function authorized(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { authorization: `Bearer ${gateway.key}`, ...more }
}

const piece = Buffer.from(patternBytes(0, megabyte))

function hashOfPieces(count: number): string {
  const hash = createHash('sha256')
  for (let at = 0; at < count; at += 1) hash.update(piece)
  return hash.digest('hex')
}

interface Downloaded {
  readonly bytes: number
  readonly sha256: string
  readonly contentLength: string | null
}

/** Reads a body a megabyte at a time, with a pause after each. */
async function download(path: string, pauseMs: number): Promise<Downloaded> {
  const connection = await RawConnection.open(gateway)
  const hash: Hash = createHash('sha256')
  let sinceLastPause = 0
  const live = connection.request({ path, headers: authorized() }, (bytes) => {
    hash.update(bytes)
    sinceLastPause += bytes.length
    if (sinceLastPause < megabyte) return
    sinceLastPause = 0
    connection.pause()
    setTimeout(() => connection.resume(), pauseMs)
  })
  const answer = await live.answer()
  connection.destroy()
  expect(answer).toMatchObject({ status: 200, ended: 'complete' })
  return { bytes: live.bodyBytes, sha256: hash.digest('hex'), contentLength: answer.field('content-length') }
}

interface Uploaded {
  readonly sha256: string
  readonly contentLength: string | null
  readonly bytes: number
}

/** Sends a megabyte at a time to an upstream that stops to think after each. */
async function upload(megabytes: number, framing: 'content-length' | 'chunked'): Promise<Uploaded> {
  const hash = createHash('sha256')
  const path = `/upload-${framing}-${megabytes}`
  let received: Uploaded | null = null
  up.on(path, async (x) => {
    const slow = setInterval(() => {
      x.pause()
      setTimeout(() => x.resume(), 35)
    }, 40)
    await x.bodyEnd()
    clearInterval(slow)
    const { request } = x
    received = {
      bytes: request.bodyBytes,
      contentLength: request.field('content-length'),
      sha256: createHash('sha256').update(request.body).digest('hex'),
    }
    await x.send(wholeAnswer(200, {}, 'taken'))
  })
  const connection = await RawConnection.open(gateway)
  const frame =
    framing === 'chunked'
      ? { 'transfer-encoding': 'chunked' }
      : { 'content-length': String(megabytes * megabyte) }
  const live = connection.request({ method: 'POST', path: `/scripted${path}`, headers: authorized(frame) })
  for (let sent = 0; sent < megabytes; sent += 1) {
    hash.update(piece)
    connection.write(framing === 'chunked' ? chunk(piece) : piece)
    await connection.drained()
  }
  if (framing === 'chunked') connection.write(lastChunk)
  const answer = await live.answer()
  connection.destroy()
  expect(answer).toMatchObject({ status: 200, ended: 'complete', text: 'taken' })
  if (received === null) throw new Error('the upstream saw no body')
  return received
}

/** How far resident memory rose above its value at the start while the work ran, in bytes. */
async function growthDuring(work: () => Promise<unknown>): Promise<number> {
  const before = gateway.rig.rssBytes()
  let most = before
  const timer = setInterval(() => {
    most = Math.max(most, gateway.rig.rssBytes())
  }, 20)
  await work().finally(() => clearInterval(timer))
  return most - before
}

describe('a hundred megabytes', () => {
  it.each([
    ['with its length', `/http/bytes/${large}`, String(large)],
    ['in chunks', `/http/bytes/${large}?chunked=1`, null],
  ])('down to a slow reader, %s, arrive whole and stay out of memory', async (_how, path, contentLength) => {
    for (let round = 0; round < 2; round += 1) await download(path.replace(String(large), '20000000'), 5)
    let result: Downloaded | null = null
    const growth = await growthDuring(async () => {
      result = await download(path, 15)
    })
    expect(result).toEqual({ bytes: large, contentLength, sha256: sha256OfPattern(large) })
    expect(growth).toBeLessThan(growthMax)
  })

  it('of events down to a slow reader, which the tap counts, stay out of memory', async () => {
    const events = Buffer.from(`data: ${'a'.repeat(1_016)}\n\n`.repeat(1_024))
    up.on('/flood', async (x) => {
      await x.send(answerHead(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' }))
      const megabytes = Number(new URLSearchParams(x.request.target.split('?')[1]).get('megabytes'))
      for (let sent = 0; sent < megabytes && !x.left; sent += 1) await x.send(chunk(events))
      await x.send(lastChunk)
    })
    for (let round = 0; round < 3; round += 1) await download('/scripted/flood?megabytes=30', 15)
    let bytes = 0
    const growth = await growthDuring(async () => {
      ;({ bytes } = await download('/scripted/flood?megabytes=100', 15))
    })
    expect(bytes).toBe(100 * events.length)
    expect(growth).toBeLessThan(growthMax)
  })

  it.each(['content-length', 'chunked'] as const)(
    'up to a slow upstream, framed by %s, arrive whole and stay out of memory',
    async (framing) => {
      const megabytes = framing === 'chunked' ? 99 : 100
      for (let round = 0; round < 2; round += 1) await upload(20, framing)
      let result: Uploaded | null = null
      const growth = await growthDuring(async () => {
        result = await upload(megabytes, framing)
      })
      expect(result).toMatchObject({
        bytes: megabytes * megabyte,
        contentLength: framing === 'chunked' ? null : String(megabytes * megabyte),
      })
      expect(growth).toBeLessThan(growthMax)
    },
  )

  it.each(['content-length', 'chunked'] as const)(
    'up, framed by %s, arrive byte for byte',
    async (framing) => {
      const connection = await RawConnection.open(gateway)
      const frame =
        framing === 'chunked'
          ? { 'transfer-encoding': 'chunked' }
          : { 'content-length': String(99 * megabyte) }
      const live = connection.request({ method: 'POST', path: '/http/echo', headers: authorized(frame) })
      for (let sent = 0; sent < 99; sent += 1) {
        connection.write(framing === 'chunked' ? chunk(piece) : piece)
        await connection.drained()
      }
      if (framing === 'chunked') connection.write(lastChunk)
      const answer = await live.answer()
      connection.destroy()
      expect(JSON.parse(answer.text)).toMatchObject({
        bodyBytes: 99 * megabyte,
        bodySha256: hashOfPieces(99),
      })
    },
  )
})

function sha256OfPattern(bytes: number): string {
  const hash = createHash('sha256')
  for (let at = 0; at < bytes; at += 65_536) hash.update(patternBytes(at, Math.min(65_536, bytes - at)))
  return hash.digest('hex')
}

describe('a body over the limit of its route', () => {
  it('C22: of a declared length is refused before the upstream is contacted', async () => {
    up.forget()
    const connection = await RawConnection.open(gateway)
    const headers = authorized({ 'content-length': String(101 * megabyte) })
    const live = connection.request({ method: 'POST', path: '/scripted/any', headers })
    const answer = await live.answer()
    connection.destroy()
    expectRefusal(answer, 'http', { status: 413, code: 'body_too_large' })
    expect(answer.text).toContain(String(large))
    expect(up.requests()).toEqual([])
  })

  it('is refused in the dialect of an LLM route', async () => {
    const body = JSON.stringify({ model: 'x', messages: [{ role: 'user', content: 'x'.repeat(smallLimit) }] })
    const path = '/small-llm/v1/chat/completions'
    const answer = await exchange(gateway, { method: 'POST', path, headers: authorized(), body })
    expectRefusal(answer, 'openai', { status: 413, code: 'body_too_large' })
  })

  it.each([
    ['a little', smallLimit + 1],
    ['much', 8 * smallLimit],
  ])(
    'C22: by %s and of no declared length is cut: 413, and the upstream’s request is aborted',
    async (_by, bytes) => {
      up.forget()
      up.on('/cut', async (x) => {
        await x.bodyEnd()
        if (x.request.complete) await x.send(wholeAnswer(200, {}, 'the whole body was here'))
      })
      const connection = await RawConnection.open(gateway)
      const headers = authorized({ 'transfer-encoding': 'chunked' })
      const live = connection.request({ method: 'POST', path: '/small/cut', headers })
      // A client that listens while it sends: who does not may meet the end of the connection instead of the answer.
      for (let sent = 0; sent < bytes && live.status === null; sent += 16_384) {
        connection.write(chunk(piece.subarray(0, Math.min(16_384, bytes - sent))))
        await wait(1)
      }
      if (live.status === null) connection.write(lastChunk)
      const answer = await live.answer()
      connection.destroy()
      expectRefusal(answer, 'http', { status: 413, code: 'body_too_large' })
      await eventually(() =>
        up.requests('/cut').every(({ closedMs, complete }) => complete || closedMs !== null),
      )
      const [request] = up.requests('/cut')
      expect(request?.complete).toBe(false)
      expect(request?.bodyBytes ?? 0).toBeLessThanOrEqual(smallLimit)
    },
  )

  it.each(['content-length', 'chunked'])(
    'C28: or over the time of its route, framed by %s, is cut: 408, and the upstream’s request is aborted',
    async (framing) => {
      up.forget()
      up.on('/trickle', (x) => x.bodyEnd())
      const connection = await RawConnection.open(gateway)
      const frame =
        framing === 'chunked' ? { 'transfer-encoding': 'chunked' } : { 'content-length': '100000' }
      const live = connection.request({ method: 'POST', path: '/hasty/trickle', headers: authorized(frame) })
      const trickle = setInterval(() => {
        connection.write(framing === 'chunked' ? chunk('x') : 'x')
      }, 100)
      const answer = await live.answer().finally(() => clearInterval(trickle))
      connection.destroy()
      expectRefusal(answer, 'http', { status: 408, code: 'body_too_slow' })
      expect(answer.tookMs).toBeGreaterThan(bodyMs * 0.85)
      expect(answer.tookMs).toBeLessThan(bodyMs * 1.15)
      await eventually(() => up.requests('/trickle').every(({ closedMs }) => closedMs !== null))
      expect(up.requests('/trickle').map(({ complete }) => complete)).toEqual([false])
    },
  )

  it('exactly as long as the limit passes, framed either way', async () => {
    up.on('/exact', async (x) => {
      await x.bodyEnd()
      await x.send(wholeAnswer(200, {}, String(x.request.bodyBytes)))
    })
    const body = piece.subarray(0, smallLimit)
    const declared = await exchange(gateway, {
      method: 'POST',
      path: '/small/exact',
      headers: authorized(),
      body,
    })
    const chunked = await exchange(gateway, {
      method: 'POST',
      path: '/small/exact',
      headers: authorized({ 'transfer-encoding': 'chunked' }),
      body: Buffer.concat([chunk(body), Buffer.from(lastChunk)]),
    })
    expect([declared.text, chunked.text]).toEqual([String(smallLimit), String(smallLimit)])
  })
})

describe('framing and coding', () => {
  it('of a gzip body pass byte for byte, both ways, with length and content-encoding', async () => {
    const plain = Buffer.from(JSON.stringify({ text: 'Grüße aus 東京 '.repeat(5_000) }))
    const packed = gzipSync(plain)
    up.on('/gzip', async (x) => {
      await x.bodyEnd()
      await x.send(
        wholeAnswer(200, { 'content-encoding': 'gzip', 'content-type': 'text/plain' }, x.request.body),
      )
    })
    const answer = await exchange(gateway, {
      method: 'POST',
      path: '/scripted/gzip',
      headers: authorized({ 'content-encoding': 'gzip', 'accept-encoding': 'gzip' }),
      body: packed,
    })
    const received = up.requests('/gzip').at(-1)
    expect(received?.body.equals(packed)).toBe(true)
    expect(received?.field('content-encoding')).toBe('gzip')
    expect(received?.field('content-length')).toBe(String(packed.length))
    expect(received?.field('accept-encoding')).toBe('gzip')
    expect(answer.body.equals(packed)).toBe(true)
    expect(answer.field('content-encoding')).toBe('gzip')
    expect(answer.field('content-length')).toBe(String(packed.length))
    expect(gunzipSync(answer.body).equals(plain)).toBe(true)
  })

  it('of an event stream is never compressed by the gateway, whatever the client accepts', async () => {
    up.on('/events', async (x) => {
      await x.send(answerHead(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' }))
      for (let sent = 0; sent < 50; sent += 1) await x.send(chunk(`data: ${'a'.repeat(200)}\n\n`))
      await x.send(lastChunk)
    })
    const headers = authorized({ 'accept-encoding': 'gzip, br' })
    const answer = await exchange(gateway, { path: '/scripted/events', headers })
    expect(answer.field('content-encoding')).toBeNull()
    expect(answer.field('cache-control')).toBe('no-store, no-transform')
    expect(answer.text).toBe(`data: ${'a'.repeat(200)}\n\n`.repeat(50))
  })

  it('of events are not held back: each arrives before the next one is sent', async () => {
    up.on('/steps', async (x) => {
      await x.send(answerHead(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' }))
      for (let sent = 0; sent < 5; sent += 1) {
        await x.send(chunk(`data: ${sent}\n\n`))
        await eventually(() => live.bodyBytes >= (sent + 1) * 9)
      }
      await x.send(lastChunk)
    })
    const connection = await RawConnection.open(gateway)
    const live = connection.request({ path: '/scripted/steps', headers: authorized() })
    const answer = await live.answer()
    connection.destroy()
    expect(answer).toMatchObject({
      ended: 'complete',
      text: [0, 1, 2, 3, 4].map((n) => `data: ${n}\n\n`).join(''),
    })
  })

  it('of HEAD: the length that GET would have, no body, and the connection goes on', async () => {
    up.on('/head', (x) =>
      x.send(
        x.request.method === 'HEAD'
          ? answerHead(200, { 'content-type': 'text/plain', 'content-length': '12345' })
          : wholeAnswer(200, {}, 'got'),
      ),
    )
    const connection = await RawConnection.open(gateway)
    const headers = authorized()
    const head = await connection.request({ method: 'HEAD', path: '/scripted/head', headers }).answer()
    const next = await connection.request({ path: '/scripted/head', headers }).answer()
    connection.destroy()
    expect(head).toMatchObject({ status: 200, text: '', ended: 'complete' })
    expect(head.field('content-length')).toBe('12345')
    expect(next.text).toBe('got')
  })

  it.each([
    [204, {}],
    [304, { etag: '"abc"' }],
  ])('of a %i: no body, its headers, and the connection goes on', async (status, more) => {
    up.on('/bodiless', (x) => x.send(answerHead(status, more)))
    const connection = await RawConnection.open(gateway)
    for (let round = 0; round < 2; round += 1) {
      const live = connection.request({ path: '/scripted/bodiless', headers: authorized() })
      const answer = await live.answer()
      expect(answer).toMatchObject({ status, text: '', ended: 'complete' })
      for (const [name, value] of Object.entries(more)) expect(fieldOf(answer.head, name)).toBe(value)
    }
    await wait(20)
    expect(connection.unclaimed).toHaveLength(0)
    connection.destroy()
  })
})
