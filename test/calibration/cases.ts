import { Buffer } from 'node:buffer'
import { setTimeout as wait } from 'node:timers/promises'
import { chunk } from '../support/http-message.ts'
import { pathSpellings } from '../support/path-spellings.ts'
import { RawConnection, type RawAnswer } from '../support/raw-client.ts'
import {
  answerHead,
  wholeAnswer,
  type ScriptedUpstream,
  type UpstreamExchange,
} from '../support/scripted-upstream.ts'
import { limits, type Proxy } from './proxies.ts'

/** One input, and whether a proxy did with it what the case asks. */
export interface Trial {
  readonly input: string
  readonly holds: boolean
  readonly saw: string
}

export interface Case {
  readonly id: string
  /** What holds for every input. */
  readonly rule: string
  run(proxy: Proxy, up: ScriptedUpstream, elsewhere: ScriptedUpstream): Promise<Trial[]>
}

interface Asked {
  readonly answer: RawAnswer | null
  readonly up: ScriptedUpstream
}

const canary = 'canary-of-the-calibration'
const patienceMs = 4_000

async function send(proxy: Proxy, up: ScriptedUpstream, bytes: string | Buffer): Promise<Asked> {
  up.forget()
  const connection = await RawConnection.open(proxy)
  connection.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  const answer = await Promise.race([connection.expect().answer(), wait(patienceMs, null)]).catch(() => null)
  connection.destroy()
  return { answer, up }
}

function get(path: string, lines: readonly string[] = [], host = 'gateway.test'): string {
  return [`GET ${path} HTTP/1.1`, `host: ${host}`, ...lines, '', ''].join('\r\n')
}

function trialOf(input: string, holds: boolean, { answer, up }: Asked): Trial {
  const reached = up.requests().map(({ method, target }) => `${method} ${target}`)
  return { input, holds, saw: `${answer?.status ?? 'no answer'}; ${reached.join(' | ').slice(0, 80)}` }
}

/** A case of which each input is one request on a connection of its own. */
function each(
  id: string,
  rule: string,
  inputs: readonly (readonly [input: string, bytes: string | Buffer])[],
  holds: (asked: Asked, proxy: Proxy, input: string) => boolean,
): Case {
  return {
    id,
    rule,
    async run(proxy, up) {
      const trials: Trial[] = []
      for (const [input, bytes] of inputs) {
        up.on('*', (x) => x.send(wholeAnswer(200, {}, 'ok')))
        const asked = await send(proxy, up, bytes)
        trials.push(trialOf(input, holds(asked, proxy, input), asked))
      }
      return trials
    },
  }
}

const lines = (list: readonly string[]) =>
  list.map((line) => [line, get('/plain/x', line.split('\n'))] as const)
const noCanary = ({ up }: Asked) => !up.received().includes(canary)

const nominated = [
  `Connection: X-Private\nX-Private: ${canary}`,
  `connection: close, x-PRIVATE\nX-Private: ${canary}`,
  `Connection: x-one\nConnection: x-two\nx-one: ${canary}\nx-two: ${canary}`,
  `Connection: x-real-ip\nx-real-ip: ${canary}`,
]
const ofTheConnection = [
  'Keep-Alive',
  'TE',
  'Trailer',
  'Proxy-Authorization',
  'Proxy-Connection',
  'HTTP2-Settings',
]
const aliases = [
  'x_forwarded_for',
  'X.Forwarded.For',
  'x_forwarded_host',
  'x_real_ip',
  'x_request_id',
  'X.Real.IP',
]
const steering = [
  'X-Forwarded-For',
  'X-Forwarded-Host',
  'X-Forwarded-Prefix',
  'X-Original-URL',
  'X-Rewrite-URL',
  'X-HTTP-Method-Override',
  'x-middleware-subrequest',
  'x-envoy-original-path',
  'Forwarded',
  'X-Real-IP',
  'True-Client-IP',
  'CF-Connecting-IP',
]
const hosts = [
  'gw/closed?',
  'a@b',
  'gw#',
  'gw\\',
  'gw evil',
  'gw, evil',
  'gw:99999',
  'gw:port',
  '[::1',
  'gw%00',
  'a..b',
]
const refused = ({ answer, up }: Asked) => up.requests().length === 0 && isClientError(answer)
const isClientError = (answer: RawAnswer | null) =>
  answer !== null && answer.status >= 400 && answer.status < 500

/** A path as the most lenient server behind would read it. */
function lenient(path: string): string {
  let seen = path
  for (let round = 0; round < 4; round += 1) {
    seen = seen.replaceAll(/%([0-9a-f]{2})/gi, (_all, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
  }
  return seen.replaceAll('\\', '/')
}

const unambiguous = ({ up }: Asked) =>
  up.requests().every(({ target }) => {
    const path = lenient(target.split('?')[0] ?? '')
    return !/(?:^|\/)\.{1,2}(?:\/|;|$)|\/\/|^\/?closed/i.test(path)
  })

const smuggling: readonly (readonly [string, string])[] = [
  [
    'CL and TE',
    'content-length: 6\ntransfer-encoding: chunked\n\n0\r\n\r\nGET /evil HTTP/1.1\r\nhost: x\r\n\r\n',
  ],
  ['two CL', 'content-length: 0\ncontent-length: 40\n\nGET /evil HTTP/1.1\r\nhost: x\r\n\r\n'],
  [
    'TE with a space',
    'content-length: 5\ntransfer-encoding : chunked\n\n0\r\n\r\nGET /evil HTTP/1.1\r\nhost: x\r\n\r\n',
  ],
  [
    'TE xchunked',
    'content-length: 5\ntransfer-encoding: xchunked\n\n0\r\n\r\nGET /evil HTTP/1.1\r\nhost: x\r\n\r\n',
  ],
  ['signed CL', 'content-length: +0\n\nGET /evil HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['hex chunk', 'transfer-encoding: chunked\n\n0x5\r\nhello\r\n0\r\n\r\n'],
  ['huge chunk', 'transfer-encoding: chunked\n\nFFFFFFFFFFFFFFFFF\r\nx\r\n0\r\n\r\n'],
  ['bare LF in chunks', 'transfer-encoding: chunked\n\n5\nhello\n0\n\n'],
  ['folded field', 'x-a: 1\n x\ncontent-length: 0\n\n'],
]

function posted(text: string): string {
  const [head = '', ...rest] = text.split('\n\n')
  return `POST /plain/x HTTP/1.1\r\nhost: gateway.test\r\n${head.replaceAll('\n', '\r\n')}\r\n\r\n${rest.join('\n\n')}`
}

const sizes: readonly (readonly [string, string])[] = [
  ['URL of 17 KB', get(`/plain/${'x'.repeat(17_000)}`)],
  ['URL of 60 KB', get(`/plain/${'x'.repeat(60_000)}`)],
  ['field of 129 KB', get('/plain/x', [`x-big: ${'x'.repeat(129 * 1_024)}`])],
  [
    'fields of 70 KB',
    get(
      '/plain/x',
      Array.from({ length: 70 }, (_, at) => `x-${at}: ${'x'.repeat(1_000)}`),
    ),
  ],
  [
    '2,000 fields',
    get(
      '/plain/x',
      Array.from({ length: 2_000 }, (_, at) => `x-${at}: 1`),
    ),
  ],
  ['5,000 parameters', get(`/plain/x?${'a=1&'.repeat(5_000)}`)],
]

/** A case of which each input is what the upstream does. */
function answering(
  id: string,
  rule: string,
  scripts: Readonly<
    Record<string, (x: UpstreamExchange, elsewhere: ScriptedUpstream, up: ScriptedUpstream) => void>
  >,
  holds: (asked: Asked, elsewhere: ScriptedUpstream) => boolean,
): Case {
  return {
    id,
    rule,
    async run(proxy, up, elsewhere) {
      const trials: Trial[] = []
      for (const [input, script] of Object.entries(scripts)) {
        elsewhere.forget()
        up.on('*', (x) => script(x, elsewhere, up))
        const asked = await send(proxy, up, get('/plain/x'))
        trials.push(trialOf(input, holds(asked, elsewhere), asked))
      }
      return trials
    },
  }
}

const hops = ['X-Secret', 'Proxy-Authenticate', 'Keep-Alive', 'Trailer', 'Proxy-Connection']
const hopScripts = Object.fromEntries(
  hops.map((name) => [
    name,
    (x: UpstreamExchange) => void x.send(wholeAnswer(200, { connection: 'X-Secret', [name]: canary }, 'ok')),
  ]),
)
const part = 'the beginning'
const death = {
  'short of its length': (x: UpstreamExchange) =>
    void x.send(answerHead(200, { 'content-length': '1000' }) + part).then(() => x.close()),
  'reset within its length': (x: UpstreamExchange) =>
    void x
      .send(answerHead(200, { 'content-length': '1000' }) + part)
      .then(() => wait(50))
      .then(() => x.reset()),
  'chunked without its end': (x: UpstreamExchange) =>
    void x
      .send(answerHead(200, { 'transfer-encoding': 'chunked' }))
      .then(() => x.send(chunk(part)))
      .then(() => x.close()),
}

async function body(proxy: Proxy, up: ScriptedUpstream, frame: string, ask: BodyAsk): Promise<Asked> {
  up.forget()
  up.on('*', async (x) => {
    await x.bodyEnd()
    if (x.request.complete) await x.send(wholeAnswer(200, {}, 'ok'))
  })
  const connection = await RawConnection.open(proxy)
  connection.write(`POST /plain/x HTTP/1.1\r\nhost: gateway.test\r\n${frame}\r\n\r\n`)
  const live = connection.expect()
  for (let sent = 0; sent < ask.bytes && live.status === null && !connection.ended; sent += ask.step) {
    const piece = Buffer.alloc(Math.min(ask.step, ask.bytes - sent), 0x78)
    connection.write(frame.includes('chunked') ? chunk(piece) : piece)
    await wait(ask.everyMs)
  }
  if (frame.includes('chunked') && live.status === null) connection.write('0\r\n\r\n')
  const answer = await Promise.race([live.answer(), wait(patienceMs, null)]).catch(() => null)
  connection.destroy()
  await wait(50)
  return { answer, up }
}

interface BodyAsk {
  readonly bytes: number
  readonly step: number
  readonly everyMs: number
}

const tooLarge: Case = {
  id: 'C22',
  rule: 'a body over the limit: 413, and never whole upstream; declared, the upstream is not contacted at all',
  async run(proxy, up) {
    const over = limits.bodyBytes * 2
    const declared = await body(proxy, up, `content-length: ${over}`, { bytes: 0, step: 1, everyMs: 0 })
    const first = trialOf('declared', declared.answer?.status === 413 && up.requests().length === 0, declared)
    const flowing = await body(proxy, up, 'transfer-encoding: chunked', {
      bytes: over,
      step: 16_384,
      everyMs: 1,
    })
    const whole = up.requests().some(({ complete }) => complete)
    return [first, trialOf('not declared', flowing.answer?.status === 413 && !whole, flowing)]
  },
}

const tooSlow: Case = {
  id: 'C28',
  rule: 'a body at 10 bytes a second: an answer of 4xx or 504 within 1.5 × the time set, and nothing whole upstream',
  async run(proxy, up) {
    const trials: Trial[] = []
    for (const frame of ['content-length: 100000', 'content-length: 1000', 'transfer-encoding: chunked']) {
      const startedMs = performance.now()
      const asked = await body(proxy, up, frame, { bytes: 30, step: 1, everyMs: 100 })
      const inTime = performance.now() - startedMs < limits.seconds * 1_500 + 150
      const { answer } = asked
      const status = isClientError(answer) || answer?.status === 504
      trials.push(trialOf(frame, status && inTime && !up.requests().some(({ complete }) => complete), asked))
    }
    return trials
  },
}

export const cases: readonly Case[] = [
  each(
    'C1',
    'what Connection nominates does not reach the upstream, the credential does',
    lines(nominated),
    (asked, proxy) => noCanary(asked) && asked.up.requests()[0]?.field('authorization') === proxy.credential,
  ),
  each(
    'C2',
    'nominating the credential does not take it away',
    lines(['Connection: authorization', 'Connection: close, Authorization']),
    ({ up }, proxy) => up.requests()[0]?.field('authorization') === proxy.credential,
  ),
  each(
    'C3',
    'headers of the connection do not reach the upstream',
    lines(ofTheConnection.map((name) => `${name}: ${canary}`)),
    noCanary,
  ),
  answering(
    'C4',
    'headers of the upstream’s connection do not reach the client',
    hopScripts,
    ({ answer }) => answer !== null && answer.text === 'ok' && !JSON.stringify(answer.head).includes(canary),
  ),
  each(
    'C5',
    'aliases with `_` and `.` do not reach the upstream',
    lines(aliases.map((name) => `${name}: ${canary}`)),
    noCanary,
  ),
  answering(
    'C8',
    'a redirect to another origin is not followed',
    { 302: (x, elsewhere) => void x.send(wholeAnswer(302, { location: `${elsewhere.url}/x` }, '')) },
    ({ answer }, elsewhere) => answer?.status === 302 && elsewhere.connections() === 0,
  ),
  answering(
    'C9',
    'a redirect to the upstream itself does not name its host to the client',
    {
      Location: (x, _elsewhere, up) => void x.send(wholeAnswer(302, { location: `${up.url}/y` }, '')),
      'Content-Location': (x, _elsewhere, up) =>
        void x.send(wholeAnswer(200, { 'content-location': `${up.url}/y` }, '')),
    },
    ({ answer, up }) => answer !== null && !JSON.stringify(answer.head).includes(String(up.port)),
  ),
  each(
    'C10',
    'a malformed Host is refused',
    hosts.map((host) => [host, get('/plain/x', [], host)]),
    refused,
  ),
  each('C10', 'two Hosts are refused', [['two', get('/plain/x', ['host: evil.test'])]], refused),
  each(
    'C11',
    'headers that steer a gateway or an upstream do not reach it',
    lines(steering.map((name) => `${name}: ${canary}`)),
    noCanary,
  ),
  each(
    'C14',
    'no path reaches the upstream that a lenient server reads with a dot segment, an empty one, or as the closed prefix',
    [...new Set(pathSpellings('/plain', '/closed'))].map((path) => [path, get(path)]),
    unambiguous,
  ),
  each(
    'C15',
    'what only begins like the route is not forwarded',
    ['/plainx', '/plain%2fx', '/PLAIN/x', '/plain'].map((path) => [path, get(path)]),
    ({ up }) => up.requests().length === 0,
  ),
  each(
    'framing',
    'never two requests from one, and never /evil',
    smuggling.map(([name, text]) => [name, posted(text)]),
    ({ up }) => up.requests().length <= 1 && up.requests().every(({ target }) => !target.includes('evil')),
  ),
  tooLarge,
  each('C26', 'oversized: 4xx, and the upstream is not contacted', sizes, refused),
  tooSlow,
  answering(
    'C56',
    'an upstream that breaks its body off ends abnormally for the client too',
    death,
    ({ answer }) => answer === null || answer.ended !== 'complete',
  ),
  answering(
    'C60',
    'an upstream that resets makes a 502, one that is silent a 504',
    { resets: (x) => x.reset(), 'closes at once': (x) => x.close(), 'is silent': () => {} },
    ({ answer }) => answer !== null && [502, 504].includes(answer.status),
  ),
]
