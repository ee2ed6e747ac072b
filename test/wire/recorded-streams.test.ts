import { Buffer } from 'node:buffer'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, inParallel } from '../support/eventually.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { chunk, lastChunk } from '../support/http-message.ts'
import { exchange } from '../support/raw-client.ts'
import { answerHead, startScriptedUpstream, type ScriptedUpstream } from '../support/scripted-upstream.ts'

/** Bytes in each piece that the upstream sends. */
const pieceSizes = [1, 7, 300, 4096]
/** Below this, the recorded streams go through the route of their own provider only: each piece costs 50 µs of CPU. */
const smallPieceMax = 7
const routes = ['openai', 'anthropic', 'http']
const atOnce = 8
/** Pieces that leave in one write: apart, byte by byte, they would only take longer. */
const bytesPerWrite = 1_024
/** The pieces of one byte keep a gateway busy for a minute; two share them. */
const gatewayCount = 2

const own = fileURLToPath(new URL('../fixtures/sse', import.meta.url))
const corpus = process.env['SSE_CORPUS']

/** Largest first, so that the gateways get equal shares. */
function streamsIn(folder: string): string[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.sse'))
  const paths = names.toSorted().map((name) => join(folder, name))
  return paths.toSorted((left, right) => statSync(right).size - statSync(left).size)
}

let up: ScriptedUpstream
let gateways: readonly GatewayUnderTest[] = []
const framedStreams = new Map<string, readonly Buffer[]>()

beforeAll(async () => {
  up = await startScriptedUpstream()
  up.on('/replay', async (x) => {
    const query = new URLSearchParams(x.request.target.split('?')[1])
    await x.send(answerHead(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' }))
    for (const write of framedStreams.get(query.toString()) ?? []) {
      await x.send(write)
      await nextTurn()
    }
    await x.send(lastChunk)
  })
  const starts = Array.from({ length: gatewayCount }, () => startGatewayUnderTest({ upstreamUrl: up.url }))
  gateways = await Promise.all(starts)
})

afterAll(async () => {
  await Promise.all(gateways.map((gateway) => gateway.close()))
  await up.close()
})

/** The stream as chunks of one size, gathered into writes. */
function framed(stream: Buffer, size: number): readonly Buffer[] {
  const writes: Buffer[] = []
  for (let at = 0; at < stream.length; at += Math.max(size, bytesPerWrite)) {
    const part = stream.subarray(at, at + Math.max(size, bytesPerWrite))
    const count = Math.ceil(part.length / size)
    const pieces = Array.from({ length: count }, (_, n) => chunk(part.subarray(n * size, (n + 1) * size)))
    writes.push(Buffer.concat(pieces))
  }
  return writes
}

type Passage = { readonly path: string; readonly size: number; readonly route: string }

/** Names of the streams that did not come through byte for byte. */
async function changedOnTheWay(passages: readonly Passage[]): Promise<string[]> {
  const numbered = passages.map((passage, at) => ({ passage, gateway: gateways[at % gateways.length] }))
  const passed = await inParallel(numbered, atOnce, ({ passage, gateway }) =>
    gateway === undefined ? Promise.resolve(false) : passes(gateway, passage),
  )
  return passages
    .filter((_, at) => !(passed[at] ?? false))
    .map(({ path, route }) => `${basename(path)} on ${route}`)
}

async function passes(gateway: GatewayUnderTest, { path, size, route }: Passage): Promise<boolean> {
  const stream = readFileSync(path)
  const query = new URLSearchParams({ file: basename(path), size: String(size) }).toString()
  framedStreams.set(query, framed(stream, size))
  const headers = { authorization: `Bearer ${gateway.key}` }
  const answer = await exchange(gateway, { path: `/${route}/replay?${query}`, headers })
  const ofThis = () => gateway.records().filter(({ id }) => id === answer.field('x-request-id'))
  await eventually(() => ofThis().length > 0)
  const whole = answer.status === 200 && answer.ended === 'complete' && answer.body.equals(stream)
  const [record] = ofThis()
  return whole && record?.tier === 'tap' && record.bytes === stream.length
}

describe('event streams of this project pass byte for byte, and are counted to the byte,', () => {
  const paths = streamsIn(own)

  it.each(pieceSizes)('in pieces of %i, on every route', async (size) => {
    expect(paths.length).toBeGreaterThanOrEqual(6)
    const passages = routes.flatMap((route) => paths.map((path) => ({ path, size, route })))
    expect(await changedOnTheWay(passages)).toEqual([])
  })
})

function ownRoute(path: string): string {
  return basename(path).startsWith('anthropic') ? 'anthropic' : 'openai'
}

describe.skipIf(corpus === undefined)(
  'recorded streams of providers (SSE_CORPUS) pass byte for byte,',
  () => {
    const paths = corpus === undefined ? [] : streamsIn(corpus)

    it.each(pieceSizes)('in pieces of %i', { timeout: 180_000 }, async (size) => {
      expect(paths.length).toBeGreaterThan(0)
      const passages = paths.flatMap((path) =>
        (size > smallPieceMax ? routes : [ownRoute(path)]).map((route) => ({ path, size, route })),
      )
      expect(await changedOnTheWay(passages)).toEqual([])
    })
  },
)
