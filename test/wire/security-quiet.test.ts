import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { leaks, secretPart, type Canaries } from '../support/canaries.ts'
import { eventually, inParallel } from '../support/eventually.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import {
  answerHead,
  startScriptedUpstream,
  wholeAnswer,
  type ScriptedUpstream,
} from '../support/scripted-upstream.ts'
import { exchange, type RawRequest } from '../support/raw-client.ts'

let up: ScriptedUpstream
let gateway: GatewayUnderTest

/** One token for every kind of thing that may not be written down, so that a scan tells what was. */
const planted = Object.fromEntries(
  [
    'prompt',
    'cookie',
    'query',
    'path',
    'header',
    'form',
    'reply',
    'fault',
    'location',
    'agent',
    'password',
  ].map((kind) => [kind, `${kind}${randomBytes(12).toString('hex')}`]),
) as Readonly<
  Record<
    | 'prompt'
    | 'cookie'
    | 'query'
    | 'path'
    | 'header'
    | 'form'
    | 'reply'
    | 'fault'
    | 'location'
    | 'agent'
    | 'password',
    string
  >
>

beforeAll(async () => {
  up = await startScriptedUpstream()
  const reply = JSON.stringify({ id: 'x', choices: [{ message: { content: planted.reply } }] })
  const event = `data: {"choices":[{"delta":{"content":"${planted.reply}"}}]}\n\n`
  const failing = new Set(['/dies', '/v1/chat/completions/dies'])
  up.on('*', async (x) => {
    await x.bodyEnd()
    const [path = ''] = x.request.target.split('?')
    if (failing.has(path)) return x.reset()
    if (path.endsWith('/fault')) return x.send(wholeAnswer(500, { 'x-fault': planted.fault }, planted.fault))
    if (path.endsWith('/refused'))
      return x.send(wholeAnswer(401, {}, `bad key ${gateway.canaries['OPENAI_API_KEY']}`))
    if (path.endsWith('/odd'))
      return x.send(`HTTP/1.1 200 ${planted.fault}\r\nbad header ${planted.fault}\r\n\r\n`)
    if (path.endsWith('/moved')) return x.send(wholeAnswer(302, { location: `/${planted.location}` }, ''))
    if (path.endsWith('/broken')) {
      await x.send(answerHead(200, { 'content-type': 'text/event-stream' }) + event)
      return x.reset()
    }
    const headers = {
      'content-type': 'application/json',
      'set-cookie': `s=${planted.cookie}`,
      'x-request-id': 'req_1',
    }
    return x.send(wholeAnswer(200, headers, reply))
  })
  gateway = await startGatewayUnderTest({
    upstreamUrl: up.url,
    settings: { clientAddress: 'cloudflare' },
    routes: [
      { id: 'by-query', path: '/by-query/*', upstream: 'example', rewrite: '/*', keyQuery: 'key' },
      { id: 'open', path: '/open/*', upstream: 'example', rewrite: '/*', auth: 'none' },
      {
        id: 'one-model',
        path: '/one-model/*',
        upstream: 'openai',
        rewrite: '/v1/*',
        models: { allow: ['only-this'] },
      },
    ],
  })
})

afterAll(async () => {
  await gateway.close()
  await up.close()
})

function mixed(): RawRequest[] {
  const { key } = gateway
  const prompt = JSON.stringify({
    model: 'm',
    user: planted.prompt,
    messages: [{ role: 'user', content: planted.prompt }],
  })
  const all = {
    authorization: `Bearer ${key}`,
    cookie: `session=${planted.cookie}`,
    'user-agent': planted.agent,
    'x-note': planted.header,
    referer: `https://x.test/${planted.path}?${planted.query}`,
    'x-sluice-profile': '1',
    'x-request-id': key,
  }
  const json = { ...all, 'content-type': 'application/json' }
  const form = `--b\r\ncontent-disposition: form-data; name="file"; filename="${planted.form}"\r\n\r\n${planted.form}\r\n--b--\r\n`
  const wrong = `${key.slice(0, -4)}0000`
  const q = `q=${planted.query}`
  const post = (path: string, body: string, headers: Record<string, string> = json) => ({
    method: 'POST',
    path,
    headers,
    body,
  })
  const chat = '/v1/chat/completions'
  return [
    post(chat, prompt),
    post(`${chat}?${q}`, prompt),
    post('/v1/messages', prompt),
    post('/v1/responses', prompt),
    post(chat, prompt.slice(0, -9)),
    post(chat, `${prompt}${planted.prompt}`),
    post(chat, JSON.stringify({ model: key, messages: [planted.prompt] })),
    post('/one-model/chat/completions', JSON.stringify({ model: key, messages: [planted.prompt] })),
    post('/v1/audio/transcriptions', form, { ...all, 'content-type': 'multipart/form-data; boundary=b' }),
    post('/v1/files', form, { ...all, 'content-type': 'multipart/form-data; boundary=c' }),
    post(chat, planted.prompt, { ...all, 'content-type': `text/${planted.header}` }),
    post('/openai/fault', prompt),
    post('/openai/refused', prompt),
    post('/openai/odd', prompt),
    post('/openai/broken', prompt),
    post('/http/broken', prompt),
    post('/http/dies', prompt),
    post('/http/fault', prompt),
    { path: `/http/odd?${q}`, headers: all },
    { path: '/http/moved', headers: all },
    { path: `/http/${planted.path}?${q}`, headers: all },
    { path: `/by-query/${planted.path}?key=${key}&${q}` },
    { path: `/by-query/x?key=${wrong}&${q}` },
    { path: `/by-query/x?%6Bey=${encodeURIComponent(key)}` },
    { path: `/open/${planted.path}?key=${key}&${q}`, headers: all },
    { path: `/nowhere/${planted.path}?${q}`, headers: all },
    { path: `/http//${planted.path}?${q}`, headers: all },
    { path: `/http/${planted.path}%2e%2e/?key=${key}`, headers: all },
    { path: '/http/x', headers: { ...all, authorization: `Bearer ${wrong}` } },
    { path: '/http/x', headers: { ...all, authorization: `Basic ${btoa(`u:${planted.password}`)}` } },
    { path: '/http/x', headers: { ...all, host: `${planted.header}/?` } },
    { path: '/http/x', headers: { ...all, upgrade: 'websocket', connection: 'upgrade' } },
    { path: '/http/x', headers: { ...all, via: `1.1 ${planted.header}` } },
    { path: '/http/x', headers: { ...all, 'x-big': planted.header.repeat(3_000) } },
    { method: 'DELETE', path: `/v1/files/${planted.path}`, headers: all },
    {
      method: 'OPTIONS',
      path: `/http/${planted.path}`,
      headers: { ...all, origin: `https://${planted.header}.test` },
    },
    { path: `/_sluice/v1/accounts?${q}`, headers: all },
    { path: `/_sluice/v1/${planted.path}`, headers: { authorization: `Bearer ${planted.password}` } },
    { path: `/health?${q}`, headers: all },
    { method: 'TRACE', path: `/http/${planted.path}`, headers: all },
  ]
}

const times = 6

describe('C63: two hundred mixed requests', () => {
  let canaries: Canaries
  const replies: string[] = []

  beforeAll(async () => {
    const { key } = gateway
    canaries = { ...gateway.canaries, ...planted, key: secretPart(key) }
    const requests = Array.from({ length: times }, () => mixed()).flat()
    expect(requests.length).toBeGreaterThanOrEqual(200)
    const answers = await inParallel(requests, 8, (request) => exchange(gateway, request))
    replies.push(...answers.map((answer) => JSON.stringify([answer.head, answer.text])))
    await eventually(() => gateway.records().length >= requests.length - times * 2)
  })

  it('C63: leave no canary in the log: no prompt, key, cookie, query, path, header, secret nor reply', () => {
    expect(gateway.records().length).toBeGreaterThan(200)
    expect(leaks(gateway.rig.log(), canaries)).toEqual([])
  })

  it('C63: leave no canary in the records, which are all that the log holds of them', () => {
    expect(leaks(JSON.stringify(gateway.records()), canaries)).toEqual([])
    const statuses = new Set(gateway.records().map(({ status }) => status))
    for (const status of [200, 302, 400, 401, 403, 404, 405, 431, 500, 502])
      expect(statuses).toContain(status)
  })

  it('C63: bring no client a credential, its own or another’s', () => {
    const credentials = {
      ...gateway.canaries,
      password: planted.password,
      cookie: `session=${planted.cookie}`,
    }
    const echoed = replies.filter((reply) => leaks(reply, credentials).length > 0)
    expect(echoed.filter((reply) => !reply.includes('model_not_allowed'))).toEqual([])
  })

  it('C63: reach the upstream, so that there was something to keep quiet about', () => {
    const sent = leaks(up.received(), canaries).filter(
      (name) => !/key$/i.test(name) || name.endsWith('_API_KEY'),
    )
    expect(sent.toSorted()).toEqual([
      'ANTHROPIC_API_KEY',
      'OPENAI_API_KEY',
      'agent',
      'cookie',
      'form',
      'header',
      'path',
      'prompt',
      'query',
    ])
  })
})

const ask = async (address: string) => {
  up.forget()
  const headers = {
    'x-api-key': gateway.key,
    'cf-connecting-ip': address,
    'x-forwarded-for': '9.9.9.9',
    'x-real-ip': '8.8.8.8',
  }
  const answer = await exchange(gateway, { path: '/http/x', headers })
  const [record] = await gateway.recordsOf(answer.field('x-request-id') ?? '')
  return [up.requests()[0]?.field('x-forwarded-for'), record?.client]
}

describe('C12, C13: the client’s address', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7', '203.0.113.7'],
    ['2001:DB8:0:7::0:1', '2001:db8:0:7::1', '2001:db8:0:7::/64'],
    ['fe80::1%eth0', 'fe80::1', 'fe80::/64'],
    ['203.0.113.7, 1.2.3.4', null, null],
    ['<script>', null, null],
  ])(
    'C13: `%s` has one spelling upstream, %s, and one in the record, %s',
    async (address, forwarded, recorded) => {
      expect(await ask(address)).toEqual([forwarded, recorded])
    },
  )
})
