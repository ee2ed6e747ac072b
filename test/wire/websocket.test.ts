import { Buffer } from 'node:buffer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { leaks } from '../support/canaries.ts'
import { expectRefusal } from '../support/dialect-errors.ts'
import { eventually } from '../support/eventually.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { fieldOf, headText, type MessageHead } from '../support/http-message.ts'
import { exchange, RawConnection } from '../support/raw-client.ts'
import { startScriptedUpstream, wholeAnswer, type ScriptedUpstream } from '../support/scripted-upstream.ts'
import {
  acceptFor,
  frameBytes,
  framesIn,
  handshakeHeaders,
  opcodes,
  type Frame,
} from '../support/websocket-frames.ts'

let up: ScriptedUpstream
let gateway: GatewayUnderTest

beforeAll(async () => {
  up = await startScriptedUpstream()
  up.on('/echo', async (x) => {
    const accept = acceptFor(x.request.field('sec-websocket-key') ?? '')
    const headers = { upgrade: 'websocket', connection: 'Upgrade', 'sec-websocket-accept': accept }
    await x.send(headText('HTTP/1.1 101 Switching Protocols', headers))
    for await (const frame of x.frames()) await x.send(frameBytes(frame, false))
  })
  up.on('/no', (x) => x.send(wholeAnswer(403, { 'content-type': 'text/plain' }, 'not for you')))
  gateway = await startGatewayUnderTest({
    upstreamUrl: up.url,
    routes: [{ id: 'sockets', path: '/ws/*', upstream: 'example', rewrite: '/*', websocket: true }],
  })
})

afterAll(async () => {
  await gateway.close()
  await up.close()
})

interface OpenSocket {
  readonly connection: RawConnection
  readonly head: MessageHead
}

async function open(path: string, key = 'dGhlIHNhbXBsZSBub25jZQ=='): Promise<OpenSocket> {
  const connection = await RawConnection.open(gateway)
  const headers = { authorization: `Bearer ${gateway.key}`, ...handshakeHeaders(key) }
  const live = connection.request({ path, headers })
  return { connection, head: await live.head() }
}

async function echoed({ connection }: OpenSocket, frame: Frame): Promise<Frame | undefined> {
  const before = framesIn(connection.unclaimed).frames.length
  connection.write(frameBytes(frame, true))
  await eventually(() => framesIn(connection.unclaimed).frames.length > before || connection.ended)
  return framesIn(connection.unclaimed).frames[before]
}

describe('a WebSocket through a route that allows it', () => {
  it('opens with the accept of its own key, and frames come back as they went', async () => {
    const socket = await open('/ws/echo')
    expect(socket.head.startLine).toMatch(/^HTTP\/1\.1 101 /)
    expect(fieldOf(socket.head, 'sec-websocket-accept')).toBe(acceptFor('dGhlIHNhbXBsZSBub25jZQ=='))
    const frames = [
      { opcode: opcodes.text, payload: Buffer.from('Grüße aus 東京') },
      { opcode: opcodes.binary, payload: Buffer.from([0, 255, 1, 254]) },
      { opcode: opcodes.text, payload: Buffer.alloc(0) },
    ]
    for (const frame of frames) expect(await echoed(socket, frame)).toEqual(frame)
    socket.connection.destroy()
  })

  it('shows the upstream no key of the client, and is on record as upgraded', async () => {
    const { connection, head } = await open('/ws/echo')
    const requestId = fieldOf(head, 'x-request-id') ?? ''
    expect(requestId).toMatch(/^[0-9a-f]{32}$/)
    expect(await gateway.recordsOf(requestId)).toEqual([
      expect.objectContaining({ status: 101, route: 'sockets', ending: 'upgraded' }),
    ])
    connection.destroy()
    expect(up.requests('/echo').length).toBeGreaterThan(0)
    expect(leaks(up.received(), gateway.canaries)).toEqual([])
  })

  it('is closed upstream within a second when the client goes', async () => {
    up.forget()
    const socket = await open('/ws/echo')
    await echoed(socket, { opcode: opcodes.text, payload: Buffer.from('here') })
    const leftMs = performance.now()
    socket.connection.destroy()
    await eventually(() => up.requests('/echo').every(({ closedMs }) => closedMs !== null))
    expect((up.requests('/echo')[0]?.closedMs ?? 0) - leftMs).toBeLessThan(1_000)
  })

  it('that the upstream refuses is a plain answer', async () => {
    const headers = { authorization: `Bearer ${gateway.key}`, ...handshakeHeaders() }
    const answer = await exchange(gateway, { path: '/ws/no', headers })
    expect(answer).toMatchObject({ status: 403, text: 'not for you', ended: 'complete' })
  })

  it('needs a key like everything else', async () => {
    up.forget()
    const answer = await exchange(gateway, { path: '/ws/echo', headers: handshakeHeaders() })
    expectRefusal(answer, 'http', { status: 401, code: 'key_missing' })
    expect(up.requests()).toEqual([])
  })
})

describe('a WebSocket on a route that does not allow it', () => {
  it('is refused in so many words, and the upstream is not contacted', async () => {
    up.forget()
    const headers = { authorization: `Bearer ${gateway.key}`, ...handshakeHeaders() }
    const answer = await exchange(gateway, { path: '/http/echo', headers })
    expectRefusal(answer, 'http', { status: 400, code: 'upgrade_not_allowed' })
    expect(up.requests()).toEqual([])
  })
})
