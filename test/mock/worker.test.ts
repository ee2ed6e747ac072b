import { createHash } from 'node:crypto'
import { build } from 'esbuild'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createMock } from '../../bench/mock/core.ts'
import type { Mock } from '../../bench/mock/core.ts'
import { wait } from '../../bench/mock/wait.ts'
import worker from '../../bench/mock/worker.ts'
import { dataOf, soon } from './running.ts'

function chat(model: string, init: RequestInit = {}): Request {
  const body = JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'twelve bytes' }] })
  return new Request('http://mock/v1/chat/completions', { method: 'POST', body, ...init })
}

function inProcess(): Mock {
  const hash = createHash('sha256')
  const digest = () => ({
    update: (piece: Uint8Array) => void hash.update(piece),
    hex: () => hash.digest('hex'),
  })
  return createMock({ now: () => Date.now(), wait, digest })
}

describe('the Worker module called in process', () => {
  test('streams a whole chat answer', async () => {
    const data = dataOf(await (await worker.fetch(chat('mock/n=3'))).text())
    expect(data).toHaveLength(6)
    expect(data.at(-1)).toBe('[DONE]')
  })
})

describe('the core behind fetch', () => {
  test('cut errors the stream after K events', async () => {
    const mock = inProcess()
    const reader = (await mock.fetch(chat('mock/cut=2')))
      .body!.pipeThrough(new TextDecoderStream())
      .getReader()
    expect(dataOf((await reader.read()).value ?? '')).toHaveLength(2)
    await expect(reader.read()).rejects.toThrow('told to cut')
    expect(mock.stats()).toMatchObject({ cut: 1, inFlight: 0 })
  })

  test('a cancelled body and an aborted wait are both counted as aborted', async () => {
    const mock = inProcess()
    const response = await mock.fetch(chat('mock/ttft=60000'))
    await response.body?.cancel()
    await soon(() => mock.stats().aborted === 1)
    const left = new AbortController()
    const held = mock.fetch(chat('mock/ttft=60000,hold=1', { signal: left.signal }))
    await soon(() => mock.stats().inFlight === 1)
    left.abort()
    expect((await held).status).toBe(499)
    expect(mock.stats()).toMatchObject({ aborted: 2, inFlight: 0 })
  })

  test('a slow reader holds the mock back: nothing is made before it is pulled', async () => {
    const mock = inProcess()
    const { body } = await mock.fetch(chat('mock/n=10000,size=1k'))
    const reader = body!.getReader()
    await reader.read()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(mock.stats().last[0]?.tokensSent).toBeLessThan(200)
    await reader.cancel()
  })
})

/** Drops what workerd has to say about a stream that was errored on purpose. */
const handleStructuredLogs = () => undefined

describe('the bundle in workerd', () => {
  let miniflare: Miniflare
  beforeAll(async () => {
    const bundle = await build({
      entryPoints: ['bench/mock/worker.ts'],
      bundle: true,
      format: 'esm',
      platform: 'neutral',
      write: false,
    })
    const script = bundle.outputFiles[0]?.text ?? ''
    const mock = { name: 'mock', modules: true, script, compatibilityDate: '2026-10-01' } as const
    const host = { host: '127.0.0.1', port: 0, cf: false, telemetry: { enabled: false } } as const
    miniflare = new Miniflare(convertV4MiniflareOptions({ ...host, handleStructuredLogs, workers: [mock] }))
    await miniflare.ready
  }, 20_000)
  afterAll(() => miniflare.dispose())

  const at = async (path: string) => new URL(path, await miniflare.ready)

  test('streams on time and stamps each chunk with epoch milliseconds', async () => {
    const body = JSON.stringify({ model: 'mock/ttft=30,itl=20,n=3', stream: true, messages: [] })
    const text = await (await fetch(await at('/v1/chat/completions'), { method: 'POST', body })).text()
    const times = dataOf(text)
      .filter((item) => item.startsWith('{'))
      .map((item) => (JSON.parse(item) as { mock: { t: number } }).mock.t)
    expect(times).toHaveLength(5)
    expect(Math.abs((times[0] ?? 0) - Date.now())).toBeLessThan(5000)
    // Stamps are whole milliseconds, and so are the two that a chunk is due between.
    expect((times[4] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(38)
  })

  test('a client that leaves mid-stream is counted as aborted', async () => {
    const left = new AbortController()
    const body = JSON.stringify({ model: 'mock/itl=20,n=1000', stream: true, messages: [] })
    await fetch(await at('/__reset'), { method: 'POST' })
    await fetch(await at('/v1/chat/completions'), { method: 'POST', body, signal: left.signal })
    left.abort()
    await expect
      .poll(async () => (await fetch(await at('/__stats'))).json(), { timeout: 1000 })
      .toMatchObject({ requests: 1, aborted: 1, inFlight: 0 })
  })

  test('echoes a body by its hash and cuts a stream visibly', async () => {
    const body = new Uint8Array(3_000_000).fill(7)
    const echoed = (await (await fetch(await at('/echo'), { method: 'POST', body })).json()) as object
    const bodySha256 = createHash('sha256').update(body).digest('hex')
    expect(echoed).toMatchObject({ bodyBytes: 3_000_000, bodySha256 })
    const cut = await fetch(await at('/sse?n=5&mock=cut%3D2'))
    await expect(cut.text()).rejects.toThrow()
  })
})
