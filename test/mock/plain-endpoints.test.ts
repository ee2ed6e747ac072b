import { createHash } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { describe, expect, test } from 'vitest'
import { patternBytes } from '../../bench/mock/seeded.ts'
import { dataOf, runningMock } from './running.ts'

const mock = runningMock()
const at = (path: string) => mock.current.url + path

interface Echoed {
  method: string
  url: string
  path: string
  query: string
  headers: [string, string][]
  bodyBytes: number
  bodySha256: string
}

function rawEcho(path: string, headers = ['Host', 'x']): Promise<Echoed> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(mock.current.url, { path, headers }, (response) => {
      let text = ''
      response.on('data', (piece) => (text += String(piece)))
      response.on('end', () => resolve(JSON.parse(text) as Echoed))
    })
    sent.on('error', reject).end()
  })
}

describe('echo', () => {
  test.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    '%s is shown as it arrived',
    async (method) => {
      const body = method === 'GET' ? null : 'abc'
      const response = await fetch(at('/echo/x%2Fy?a=1&a=%20'), { method, body })
      expect(await response.json()).toMatchObject({
        method,
        path: '/echo/x%2Fy',
        query: 'a=1&a=%20',
        url: at('/echo/x%2Fy?a=1&a=%20'),
        bodyBytes: body?.length ?? 0,
        bodySha256: createHash('sha256')
          .update(body ?? '')
          .digest('hex'),
      })
    },
  )

  test('HEAD has the length of the answer and no body', async () => {
    const stream = await fetch(at('/bytes/99999999999999'), { method: 'HEAD' })
    expect(stream.headers.get('content-length')).toBe('99999999999999')
    const response = await fetch(at('/echo'), { method: 'HEAD' })
    expect(Number(response.headers.get('content-length'))).toBeGreaterThan(50)
    expect(await response.text()).toBe('')
  })

  test('header names, order and repeats are kept', async () => {
    const { headers } = await rawEcho('/echo', ['Host', 'x', 'X-One', '1', 'x-one', '2', 'ACCEPT', '*/*'])
    expect(headers.slice(0, 4)).toEqual([
      ['Host', 'x'],
      ['X-One', '1'],
      ['x-one', '2'],
      ['ACCEPT', '*/*'],
    ])
  })

  test('dot segments are shown, not resolved', async () => {
    const { path } = await rawEcho('/anything/a/../../v1/%2e%2e/models')
    expect(path).toBe('/anything/a/../../v1/%2e%2e/models')
  })

  test('x-mock and ?mock= steer it', async () => {
    expect((await fetch(at('/echo'), { headers: { 'x-mock': 'err=1:503' } })).status).toBe(503)
    expect((await fetch(at('/echo?mock=err%3D1:502'))).status).toBe(502)
    const started = performance.now()
    await fetch(at('/echo'), { headers: { 'x-mock': 'lat=60' } })
    expect(performance.now() - started).toBeGreaterThanOrEqual(59)
    const refused = await fetch(at('/echo'), { headers: { 'x-mock': 'nope=1' } })
    expect([refused.status, await refused.text()]).toMatchObject([400, expect.stringContaining("'nope'")])
  })
})

describe('bytes', () => {
  test.each(['', '?chunk=1000', '?chunk=1048576', '?chunk=7'])(
    '/bytes/300000%s is the pattern, length told',
    async (query) => {
      const response = await fetch(at(`/bytes/300000${query}`))
      expect(response.headers.get('content-length')).toBe('300000')
      const got = Buffer.from(await response.arrayBuffer())
      expect(got.equals(patternBytes(0, 300_000))).toBe(true)
    },
  )

  test('chunked=1 tells no length', async () => {
    const response = await fetch(at('/bytes/1000?chunked=1'))
    expect(response.headers.get('content-length')).toBeNull()
    expect((await response.arrayBuffer()).byteLength).toBe(1000)
  })

  test('delay spaces the pieces, zero bytes are an answer too', async () => {
    const started = performance.now()
    await (await fetch(at('/bytes/50?chunk=10&delay=20'))).arrayBuffer()
    expect(performance.now() - started).toBeGreaterThanOrEqual(79)
    expect((await (await fetch(at('/bytes/0'))).arrayBuffer()).byteLength).toBe(0)
  })

  test.each(['/bytes/x', '/bytes/-1', '/bytes/5?chunk=0', '/bytes/5?delay=x'])(
    '%s is a 400',
    async (path) => {
      expect((await fetch(at(path))).status).toBe(400)
    },
  )
})

describe('status and redirect', () => {
  test.each([200, 204, 304, 404, 418, 500, 599])('/status/%i answers that', async (code) => {
    expect((await fetch(at(`/status/${code}`))).status).toBe(code)
  })

  test('a status that is none is a 400', async () => {
    expect((await fetch(at('/status/99'))).status).toBe(400)
    expect((await fetch(at('/status/abc'))).status).toBe(400)
  })

  test('redirect points where it was told', async () => {
    const response = await fetch(at('/redirect?to=http%3A%2F%2Fx.test%2F&status=307'), { redirect: 'manual' })
    expect([response.status, response.headers.get('location')]).toEqual([307, 'http://x.test/'])
  })
})

describe('sse and replay', () => {
  test('/sse sends n events of size bytes, counted from 0', async () => {
    const response = await fetch(at('/sse?n=3&size=10&itl=5'))
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    const events = dataOf(await response.text()).map(
      (item) => JSON.parse(item) as { text: string; mock: { i: number } },
    )
    expect(events.map((event) => [event.text.length, event.mock.i])).toEqual([
      [10, 0],
      [10, 1],
      [10, 2],
    ])
  })

  const recorded = Buffer.from('\uFEFFdata: {"a":"Grüße 🙂"}\r\n\r\n: c\n\ndata: [DONE]\r\rtail without end')

  test.each([1, 7, 4096])('/replay returns the posted bytes exactly, %i at a time', async (size) => {
    const response = await fetch(at(`/replay?size=${size}`), { method: 'POST', body: recorded })
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(Buffer.from(await response.arrayBuffer()).equals(recorded)).toBe(true)
  })

  test.each([
    ['lf', '\n'],
    ['crlf', '\r\n'],
    ['cr', '\r'],
  ])('/replay?eol=%s changes line ends and nothing else', async (eol, end) => {
    const response = await fetch(at(`/replay?eol=${eol}`), { method: 'POST', body: recorded })
    const got = Buffer.from(await response.arrayBuffer()).toString()
    expect(got).toBe(recorded.toString().replace(/\r\n|\r|\n/g, end))
  })
})
