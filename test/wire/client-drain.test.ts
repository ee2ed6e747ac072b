import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RequestRecord } from '../../src/core/record.ts'
import { eventually } from '../support/eventually.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { chunk, fieldOf } from '../support/http-message.ts'
import { RawConnection } from '../support/raw-client.ts'
import { answerHead, startScriptedUpstream, type ScriptedUpstream } from '../support/scripted-upstream.ts'

const words = 40
const word = 'data: {"choices":[{"index":0,"delta":{"content":"word "}}]}\n\n'
const last = `data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":${words}}}\n\ndata: [DONE]\n\n`
const path = '/v1/chat/completions'

let up: ScriptedUpstream
let gateway: GatewayUnderTest

beforeAll(async () => {
  up = await startScriptedUpstream()
  up.on(path, async (x) => {
    await x.send(answerHead(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' }))
    for (let n = 0; n < words && !x.left; n += 1) {
      await x.send(chunk(word))
      await x.wait(25)
    }
    await x.send(`${chunk(last).toString()}0\r\n\r\n`)
  })
  const route = (id: string, streams: object) => ({
    id,
    host: `${id}.test`,
    path,
    upstream: 'openai',
    streams,
  })
  gateway = await startGatewayUnderTest({
    upstreamUrl: up.url,
    routes: [
      route('drain-tap', { onLeave: 'drain', usage: 'never' }),
      route('drain-pump', { onLeave: 'drain' }),
      route('abort-tap', { onLeave: 'abort', usage: 'never' }),
      route('abort-pump', { onLeave: 'abort' }),
    ],
  })
})

afterAll(async () => {
  await gateway.close()
  await up.close()
})

/** The one record of a client that leaves after a few events. */
async function leaveAt(host: string): Promise<RequestRecord> {
  const connection = await RawConnection.open(gateway)
  const headers = {
    host,
    authorization: `Bearer ${gateway.key}`,
    'content-type': 'application/json',
  }
  const live = connection.request({ method: 'POST', path, headers, body: '{"model":"m","stream":true}' })
  await live.reaches(5 * word.length)
  const id = fieldOf(await live.head(), 'x-request-id') ?? ''
  connection.destroy()
  await eventually(() => gateway.records().some((record) => record.id === id), 10_000)
  const records = await gateway.recordsOf(id)
  expect(records).toHaveLength(1)
  return records[0]!
}

it.each(['tap', 'pump'])(
  'in tier %s a drained stream is counted to its end, as the upstream counts it',
  async (tier) => {
    expect(await leaveAt(`drain-${tier}.test`)).toMatchObject({
      tier,
      ending: 'client_left',
      usage: { inputTokens: 5, outputTokens: words, source: 'measured' },
    })
  },
)

it.each(['tap', 'pump'])(
  'in tier %s an aborted stream is charged at least what was delivered',
  async (tier) => {
    const { usage, ...record } = await leaveAt(`abort-${tier}.test`)
    expect(record).toMatchObject({ tier, ending: 'client_left' })
    expect(usage?.source).toBe('estimated')
    expect(usage?.outputTokens).toBeGreaterThanOrEqual(5)
    expect(usage?.outputTokens).toBeLessThan(words)
  },
)
