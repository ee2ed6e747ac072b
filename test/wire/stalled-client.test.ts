import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { chunk, fieldOf } from '../support/http-message.ts'
import { RawConnection } from '../support/raw-client.ts'
import { answerHead, startScriptedUpstream, type ScriptedUpstream } from '../support/scripted-upstream.ts'

/** What a tap may take beyond a client that does not read, with what sockets and the runtime hold. */
const takenBytesMax = 40_000_000
const grownBytesMax = 80_000_000
const timeouts = { firstByteMs: 2_000, idleMs: 1_500, totalMs: 4_000 }

let up: ScriptedUpstream
let gateway: GatewayUnderTest
let sentBytes = 0

beforeAll(async () => {
  up = await startScriptedUpstream()
  const event = chunk(`data: {"choices":[{"delta":{"content":"${'x'.repeat(8_000)}"}}]}\n\n`)
  up.on('*', async (x) => {
    await x.send(answerHead(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' }))
    while (!x.left) {
      await x.send(event)
      sentBytes += event.length
    }
  })
  const upstream = (dialect: string) => ({ dialect, targets: [{ origin: up.url, timeouts }] })
  gateway = await startGatewayUnderTest({
    upstreamUrl: up.url,
    upstreams: { chat: upstream('openai'), messages: upstream('anthropic'), plain: upstream('http') },
    routes: [
      { id: 's-pump', path: '/pump/*', upstream: 'chat', rewrite: '/v1/chat/completions' },
      { id: 's-tap', path: '/tap/*', upstream: 'messages', rewrite: '/v1/messages' },
      { id: 's-plain', path: '/plain/*', upstream: 'plain', rewrite: '/*' },
    ],
  })
})

afterAll(async () => {
  await gateway.close()
  await up.close()
})

describe.each([
  { tier: 'pump', path: '/pump/x', ending: ['idle_timeout', 'total_timeout'] },
  { tier: 'tap', path: '/tap/x', ending: ['idle_timeout', 'total_timeout'] },
  { tier: 'tap', path: '/plain/x', ending: ['idle_timeout', 'total_timeout'] },
])('a client that stops reading a fast stream, $path', ({ tier, path, ending }) => {
  it('does not fill the gateway, and the exchange ends by its times, settled once', async () => {
    const before = gateway.rig.rssBytes()
    sentBytes = 0
    const connection = await RawConnection.open(gateway)
    const headers = { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' }
    const live = connection.request({ method: 'POST', path, headers, body: '{"model":"m","stream":true}' })
    const head = await live.head()
    connection.pause()
    const id = fieldOf(head, 'x-request-id') ?? ''
    await wait(2_500)
    expect(sentBytes).toBeLessThan(takenBytesMax)
    expect(gateway.rig.rssBytes() - before).toBeLessThan(grownBytesMax)
    // The last words of a broken stream wait up to five seconds for a reader.
    await eventually(() => gateway.records().some((record) => record.id === id), 12_000)
    const records = gateway.records().filter((record) => record.id === id)
    expect(records.map((record) => record.tier)).toEqual([tier])
    expect(ending).toContain(records[0]?.ending)
    await eventually(() => up.requests().at(-1)?.closedMs != null, 1_000)
    connection.destroy()
  })
})
