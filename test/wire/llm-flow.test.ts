import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectRefusal } from '../support/dialect-errors.ts'
import { eventually } from '../support/eventually.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { chunk, fieldOf, lastChunk } from '../support/http-message.ts'
import { RawConnection, type LiveAnswer } from '../support/raw-client.ts'
import { startScriptedUpstream, wholeAnswer, type ScriptedUpstream } from '../support/scripted-upstream.ts'

let up: ScriptedUpstream
let gateway: GatewayUnderTest

const path = '/v1/chat/completions'
const json = { 'content-type': 'application/json' }
const hastyMs = 3_000

beforeAll(async () => {
  up = await startScriptedUpstream()
  up.on(path, async (x) => {
    await x.bodyEnd()
    if (x.request.complete) await x.send(wholeAnswer(200, json, '{"model":"m","choices":[]}'))
  })
  gateway = await startGatewayUnderTest({
    upstreamUrl: up.url,
    routes: [
      {
        id: 'rules',
        path: '/rules/*',
        upstream: 'openai',
        rewrite: '/*',
        models: { aliases: { fast: 'gpt-small' }, deny: ['gpt-secret'] },
      },
      { id: 'hasty', path: '/hasty/*', upstream: 'openai', rewrite: '/*', bodyMs: hastyMs },
    ],
  })
})

afterAll(async () => {
  await gateway.close()
  await up.close()
})

interface Upload {
  readonly connection: RawConnection
  readonly live: LiveAnswer
  readonly write: (text: string) => void
  /** Ends a chunked body. */
  readonly end: () => void
}

const framings = ['with its length', 'chunked'] as const

/** Begins to send a body of these pieces, the first of which is on its way. */
async function begin(
  framing: (typeof framings)[number],
  pieces: readonly string[],
  prefix = '/rules',
): Promise<Upload> {
  up.forget()
  const connection = await RawConnection.open(gateway)
  const length = pieces.join('').length
  const live = connection.request({
    method: 'POST',
    path: `${prefix}${path}`,
    headers: {
      authorization: `Bearer ${gateway.key}`,
      ...json,
      ...(framing === 'chunked' ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(length) }),
    },
  })
  const write = (text: string) => void connection.write(framing === 'chunked' ? chunk(text) : text)
  write(pieces[0] ?? '')
  return { connection, live, write, end: () => void (framing === 'chunked' && connection.write(lastChunk)) }
}

const quarter = 'x'.repeat(262_144)
const opening = `{"model":"fast","messages":[{"role":"user","content":"${quarter}`

describe.each(framings)('a large JSON body %s', (framing) => {
  it('is on its way to the upstream before the client has sent it all', async () => {
    const pieces = [opening, quarter, '"}]}']
    const { connection, live, write, end } = await begin(framing, pieces)
    const half = 200_000
    await eventually(() => (up.requests()[0]?.bodyBytes ?? 0) > half)
    expect(up.requests()[0]?.complete).toBe(false)
    write(pieces[1] ?? '')
    await eventually(() => (up.requests()[0]?.bodyBytes ?? 0) > half + quarter.length)
    write(pieces[2] ?? '')
    end()
    expect((await live.answer()).status).toBe(200)
    expect(up.requests()[0]?.body.toString()).toBe(pieces.join('').replace('"fast"', '"gpt-small"'))
    connection.destroy()
  })

  it.each([
    { name: 'a second model', rest: '"}],"model":"gpt-large"', status: 400, code: 'malformed_request' },
    {
      name: 'a second model in escapes',
      rest: '"}],"mod\\u0065l":"x"',
      status: 400,
      code: 'malformed_request',
    },
    { name: 'no JSON', rest: '"}]]', status: 400, code: 'malformed_request' },
    {
      name: 'a second stream_options',
      rest: '"}],"stream":true,"stream":false',
      status: 400,
      code: 'malformed_request',
    },
  ])(
    'in which $name is found half-way aborts the upstream’s call: it never sees a whole body',
    async (each) => {
      const { connection, live, write, end } = await begin(framing, [opening, each.rest, '}'])
      await eventually(() => (up.requests()[0]?.bodyBytes ?? 0) > 100_000)
      write(each.rest)
      await eventually(() => up.requests()[0]?.closedMs != null)
      write('}')
      end()
      expectRefusal(await live.answer(), 'openai', each)
      await wait(50)
      expect(up.requests().map(({ complete }) => complete)).toEqual([false])
      const id = (await live.answer()).field('x-request-id') ?? ''
      expect(await gateway.recordsOf(id)).toEqual([
        expect.objectContaining({ ending: 'refused', refused: each.code, usage: null }),
      ])
      connection.destroy()
    },
  )

  it('with a denied model behind all else aborts the upstream’s call', async () => {
    const late = `{"messages":[{"role":"user","content":"${quarter}`
    const rest = '"}],"model":"gpt-secret",'
    const { connection, live, write } = await begin(framing, [late, rest, '"n":1}'])
    await eventually(() => (up.requests()[0]?.bodyBytes ?? 0) > 100_000)
    write(rest)
    expectRefusal(await live.answer(), 'openai', { status: 403, code: 'model_not_allowed' })
    await eventually(() => up.requests()[0]?.closedMs != null)
    expect(up.requests().map(({ complete }) => complete)).toEqual([false])
    connection.destroy()
  })
})

describe('a JSON body that does not say its length', () => {
  it('is read before it is sent while it is short, and then sent with its length', async () => {
    const pieces = ['{"model":"fast",', `"x":"${'x'.repeat(1_000)}"}`]
    const { connection, live, write, end } = await begin('chunked', pieces)
    await wait(300)
    expect(up.requests()).toEqual([])
    write(pieces[1] ?? '')
    end()
    expect((await live.answer()).status).toBe(200)
    const sent = pieces.join('').replace('"fast"', '"gpt-small"')
    expect(up.requests().map(({ body, head }) => [body.toString(), fieldOf(head, 'content-length')])).toEqual(
      [[sent, String(sent.length)]],
    )
    connection.destroy()
  })

  it('has its time once, for what is read before and what flows', async () => {
    const { connection, live, write } = await begin('chunked', ['{"model":"m","x":"'], '/hasty')
    await wait(hastyMs * 0.7)
    write(quarter)
    await eventually(() => (up.requests()[0]?.bodyBytes ?? 0) > 200_000)
    const answer = await live.answer()
    expectRefusal(answer, 'openai', { status: 408, code: 'body_too_slow' })
    expect(answer.tookMs).toBeLessThan(hastyMs * 1.5)
    await eventually(() => up.requests()[0]?.closedMs != null)
    expect(up.requests().map(({ complete }) => complete)).toEqual([false])
    connection.destroy()
  })
})
