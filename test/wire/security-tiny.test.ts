import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { lastChunk } from '../support/http-message.ts'
import { exchange, RawConnection } from '../support/raw-client.ts'
import { startScriptedUpstream, wholeAnswer, type ScriptedUpstream } from '../support/scripted-upstream.ts'

let up: ScriptedUpstream
let gateway: GatewayUnderTest

beforeAll(async () => {
  up = await startScriptedUpstream()
  up.on('*', async (x) => {
    await x.bodyEnd()
    if (x.request.complete) await x.send(wholeAnswer(200, {}, '{}'))
  })
  gateway = await startGatewayUnderTest({ upstreamUrl: up.url })
})

afterAll(async () => {
  await gateway.close()
  await up.close()
})

function tinyChunks(body: Buffer): Buffer {
  const framed = Buffer.alloc(body.length * 6)
  for (const [at, byte] of body.entries())
    framed.write(`1\r\n${String.fromCharCode(byte)}\r\n`, at * 6, 'latin1')
  return Buffer.concat([framed, Buffer.from(lastChunk)])
}

const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

it.each([999, 1_000, 1_001, 5_000, 40_000])(
  'C28: a body of %i chunks of one byte arrives whole, in far fewer chunks than it was sent in',
  async (count) => {
    up.forget()
    const body = Buffer.from(Array.from({ length: count }, (_, at) => 33 + (at % 90)))
    const headers = { 'x-api-key': gateway.key, 'transfer-encoding': 'chunked' }
    const answer = await exchange(gateway, {
      method: 'POST',
      path: '/http/x',
      headers,
      body: tinyChunks(body),
    })
    expect(answer.status).toBe(200)
    const [request] = up.requests()
    expect(hash(request?.body ?? Buffer.alloc(0))).toBe(hash(body))
    if (count < 5_000) return
    expect(up.received().length).toBeLessThan(count + 1_000 * 6 + 2_000)
  },
)

it('C28: such a body that breaks off, or is badly framed, past the point where chunks are gathered is no whole one', async () => {
  for (const end of ['', 'zz\r\n', '5\r\nx\r\n0\r\n\r\n']) {
    up.forget()
    const connection = await RawConnection.open(gateway)
    const head = `POST /http/x HTTP/1.1\r\nhost: gateway.test\r\nx-api-key: ${gateway.key}\r\ntransfer-encoding: chunked\r\n\r\n`
    const framed = tinyChunks(Buffer.alloc(3_000, 0x78)).subarray(0, 18_000)
    const live = connection.expect()
    connection.write(Buffer.concat([Buffer.from(head), framed, Buffer.from(end)]))
    connection.halfClose()
    const answer = await live.answer().catch(() => null)
    connection.destroy()
    if (answer !== null) expect(answer.status).toBe(400)
    expect(up.requests().filter(({ complete }) => complete)).toEqual([])
  }
})

const part = (at: number) => `--b\r\ncontent-disposition: form-data; name="f${at}"\r\n\r\n${at}\r\n`

it('C24: a form of twenty thousand parts arrives byte for byte, in few chunks', async () => {
  up.forget()
  const body = `${Array.from({ length: 20_000 }, (_, at) => part(at)).join('')}--b--\r\n`
  const headers = { 'x-api-key': gateway.key, 'content-type': 'multipart/form-data; boundary=b' }
  const answer = await exchange(gateway, { method: 'POST', path: '/v1/audio/transcriptions', headers, body })
  expect(answer.status).toBe(200)
  expect(up.requests()[0]?.bodyBytes).toBe(body.length)
  expect(up.received().length).toBeLessThan(body.length + 5_000)
})
