import { describe, expect, test } from 'vitest'
import type { Stats } from '../../bench/mock/ledger.ts'
import { runningMock, soon } from './running.ts'

const mock = runningMock()
const CHAT = '/v1/chat/completions'

async function stats(): Promise<Stats> {
  return (await (await fetch(`${mock.current.url}/__stats`)).json()) as Stats
}

function chat(
  model: string,
  more: { headers?: Record<string, string>; path?: string; stream?: boolean } = {},
) {
  return fetch(mock.current.url + (more.path ?? CHAT), {
    method: 'POST',
    headers: more.headers ?? {},
    body: JSON.stringify({ model, messages: [], stream: more.stream ?? false }),
  })
}

function post(path: string, body: string): Promise<Response> {
  return fetch(mock.current.url + path, { method: 'POST', body })
}

async function set(rule: object): Promise<number> {
  return (await post('/__set', JSON.stringify(rule))).status
}

describe('stats', () => {
  test('every request is in exactly one of complete, aborted, cut and in flight', async () => {
    const left = new AbortController()
    const sent = (model: string, stream: boolean) =>
      fetch(mock.current.url + CHAT, {
        method: 'POST',
        body: JSON.stringify({ model, messages: [], stream }),
        signal: left.signal,
      }).then((response) => response.text())
    await sent('gpt-mock', false)
    await sent('gpt-mock', true)
    await expect(sent('mock/cut=2', true)).rejects.toThrow()
    const aborted = sent('mock/ttft=60000', true)
    await soon(() => mock.current.stats().inFlight === 1)
    left.abort()
    await expect(aborted).rejects.toThrow()
    await soon(() => mock.current.stats().inFlight === 0)
    expect(await stats()).toMatchObject({ requests: 4, completed: 2, cut: 1, aborted: 1, inFlight: 0 })
  })

  test('requests are counted by path, provider and credential; controls are not', async () => {
    await (await chat('m', { headers: { authorization: 'Bearer sk-live-aaaa' } })).text()
    await (await chat('m', { headers: { authorization: 'Bearer sk-live-aaaa' } })).text()
    await (await chat('m', { headers: { 'x-api-key': 'k-bbbb' }, path: `/p/second${CHAT}` })).text()
    await (await fetch(`${mock.current.url}/echo/a?x=1`)).text()
    await stats()
    expect(await stats()).toMatchObject({
      requests: 4,
      perPath: { [CHAT]: 2, [`/p/second${CHAT}`]: 1, '/echo/a': 1 },
      perProvider: { openai: 2, second: 1, http: 1 },
      perKey: { aaaa: 2, bbbb: 1, '(none)': 1 },
    })
  })

  test('the last 20 requests are told in full, tokens of JSON answers included', async () => {
    for (let i = 0; i < 25; i += 1) await (await chat(`mock/n=${i + 1}`)).text()
    const { last } = await stats()
    expect(last).toHaveLength(20)
    expect(last.at(-1)).toMatchObject({
      method: 'POST',
      path: CHAT,
      query: '',
      headers: expect.arrayContaining([['content-length', expect.any(String)]]),
      model: 'mock/n=25',
      tokensSent: 25,
      ended: 'complete',
      endedAtMs: expect.any(Number),
    })
  })

  test('a reset forgets counters, rules and what was in flight', async () => {
    await set({ path: CHAT, status: 500 })
    const open = chat('mock/lat=80')
    const slow = fetch(`${mock.current.url}/echo?mock=lat%3D80`)
    await soon(() => mock.current.stats().inFlight >= 1)
    await fetch(`${mock.current.url}/__reset`, { method: 'POST' })
    await Promise.all([open, slow])
    expect(await stats()).toMatchObject({ requests: 0, inFlight: 0, completed: 0, perPath: {}, last: [] })
    expect((await chat('m')).status).toBe(200)
  })

  test('connections count sockets, not requests', async () => {
    for (let i = 0; i < 5; i += 1) await (await chat('m')).text()
    expect((await stats()).connections).toBeLessThanOrEqual(2)
  })
})

describe('rules', () => {
  test('status flips a path and only that path, and back', async () => {
    expect(await set({ path: CHAT, status: 500 })).toBe(200)
    expect((await chat('gpt-mock')).status).toBe(500)
    expect((await fetch(`${mock.current.url}/v1/models`)).status).toBe(200)
    expect(await set({ path: CHAT })).toBe(200)
    expect((await chat('gpt-mock')).status).toBe(200)
  })

  test('a provider behind /p/NAME fails while the other answers', async () => {
    await set({ provider: 'a', err: '1:503' })
    expect((await chat('m', { path: `/p/a${CHAT}` })).status).toBe(503)
    expect((await chat('m', { path: `/p/b${CHAT}` })).status).toBe(200)
  })

  test('hang never answers; the client that gives up is counted', async () => {
    await set({ path: '/v1/*', hang: true })
    const signal = AbortSignal.timeout(80)
    const hanging = fetch(mock.current.url + CHAT, {
      method: 'POST',
      body: '{"model":"m","messages":[]}',
      signal,
    })
    await expect(hanging).rejects.toThrow()
    await soon(() => mock.current.stats().aborted === 1)
  })

  test('lat delays the head of streams too, and any directive key may be set', async () => {
    await set({ path: CHAT, lat: 60, cut: 1 })
    const started = performance.now()
    const response = await chat('gpt-mock', { stream: true })
    expect(performance.now() - started).toBeGreaterThanOrEqual(59)
    await expect(response.text()).rejects.toThrow()
  })

  test.each([
    [{ status: 500 }, 'path or provider'],
    [{ path: '/x', status: 200 }, 'not an error status'],
    [{ path: '/x', nope: 1 }, "unknown key 'nope'"],
    [{ path: '/x', hang: null }, "'hang'"],
  ])('%j is refused with a reason', (rule, reason) => {
    expect(mock.current.set(rule)).toEqual({ fault: expect.stringContaining(reason) })
  })

  test('what is not JSON is refused, what is no control is a 404', async () => {
    expect((await post('/__set', '{')).status).toBe(400)
    expect((await post('/__nothing', '')).status).toBe(404)
  })
})
