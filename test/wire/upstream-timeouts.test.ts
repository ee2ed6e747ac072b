import { Buffer } from 'node:buffer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DialectName } from '../../src/core/config/types.ts'
import { expectErrorEvent, expectRefusal, type StreamFormat } from '../support/dialect-errors.ts'
import { eventually } from '../support/eventually.ts'
import { startGatewayUnderTest, type GatewayUnderTest } from '../support/gateway-under-test.ts'
import { chunk } from '../support/http-message.ts'
import { exchange, type RawAnswer } from '../support/raw-client.ts'
import {
  answerHead,
  startScriptedUpstream,
  type Script,
  type ScriptedUpstream,
} from '../support/scripted-upstream.ts'
import { eventsIn } from '../support/sse-reader.ts'

const settings = { firstByteMs: 1_200, idleMs: 2_000, totalMs: 1_600 }
/** A time that does not run out here. */
const never = 60_000

/** One upstream for each dialect and each time that runs out. */
const dialects: readonly DialectName[] = ['openai', 'anthropic', 'http']
const times = Object.keys(settings) as (keyof typeof settings)[]
const pairs = dialects.flatMap((dialect) =>
  times.map((time) => ({ dialect, time, name: `${dialect}-${time}` })),
)

let up: ScriptedUpstream
let gateway: GatewayUnderTest

beforeAll(async () => {
  up = await startScriptedUpstream()
  const upstreams = pairs.map(({ dialect, time, name }) => {
    const timeouts = { firstByteMs: never, idleMs: never, totalMs: never, [time]: settings[time] }
    if (time === 'totalMs') timeouts.firstByteMs = settings.totalMs
    return [name, { dialect, targets: [{ origin: up.url }], timeouts }]
  })
  const routes = pairs.map(({ name }) => ({
    id: name,
    path: `/${name}/*`,
    upstream: name,
    rewrite: `/${name}/*`,
  }))
  gateway = await startGatewayUnderTest({
    upstreamUrl: up.url,
    upstreams: Object.fromEntries(upstreams) as Record<string, unknown>,
    routes,
  })
})

afterAll(async () => {
  await gateway.close()
  await up.close()
})

async function ask(path: string, script: Script): Promise<RawAnswer> {
  up.on(path, script)
  return exchange(gateway, { path, headers: { authorization: `Bearer ${gateway.key}` } })
}

function expectNear(ms: number, settingMs: number): void {
  expect(ms).toBeGreaterThan(settingMs * 0.85)
  expect(ms).toBeLessThan(settingMs * 1.15)
}

async function expectClosed(path: string): Promise<void> {
  await eventually(() => up.requests(path).every(({ closedMs }) => closedMs !== null), 1_000)
}

async function expectOneRecord(answer: RawAnswer, expected: object): Promise<void> {
  const records = await gateway.recordsOf(answer.field('x-request-id') ?? '')
  expect(records).toEqual([expect.objectContaining(expected)])
}

const event = 'data: {"n":1}\n\n'
const eventStream = answerHead(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' })

/** Events a tenth of a second apart; without a count, until the gateway has gone. */
function eventsApart(count = Infinity): Script {
  return async (x) => {
    await x.send(eventStream)
    for (let sent = 0; sent < count && !x.left; sent += 1) {
      await x.send(chunk(event))
      await x.wait(100)
    }
  }
}

const formats: readonly [StreamFormat, DialectName, string][] = [
  ['openai', 'openai', 'chat/completions'],
  ['responses', 'openai', 'responses'],
  ['anthropic', 'anthropic', 'messages'],
  ['http', 'http', 'events'],
]

describe.concurrent('an upstream that is too slow', () => {
  it.each(dialects)(
    'C60: to send its first byte makes a 504 in time, dialect %s, and is closed',
    async (dialect) => {
      const path = `/${dialect}-firstByteMs/silent`
      const answer = await ask(path, () => {})
      expectNear(answer.tookMs, settings.firstByteMs)
      expectRefusal(answer, dialect, { status: 504, code: 'upstream_first_byte_timeout' })
      expect(answer.text).toContain(`${settings.firstByteMs} ms`)
      await expectClosed(path)
      await expectOneRecord(answer, { refused: 'upstream_first_byte_timeout', ending: 'refused' })
    },
  )

  it.each(formats)(
    'C60: to go on ends a stream of format %s in time, and is closed',
    async (format, dialect, name) => {
      const path = `/${dialect}-idleMs/${name}`
      const answer = await ask(path, eventsApart(5))
      const lastEventMs = answer.pieces.findLast(({ bytes }) => bytes === event.length)?.atMs ?? 0
      expectNear(answer.tookMs - lastEventMs, settings.idleMs)
      const events = eventsIn(answer.body)
      expect(events.slice(0, -1)).toEqual(eventsIn(Buffer.from(event.repeat(5))))
      expectErrorEvent(events.at(-1), format, 'upstream_idle_timeout')
      expect(answer.ended).not.toBe('complete')
      await expectClosed(path)
      await expectOneRecord(answer, { status: 200, ending: 'idle_timeout' })
    },
  )

  it.each(formats)(
    'C60: to finish ends a stream of format %s in time, and is closed',
    async (format, dialect, name) => {
      const path = `/${dialect}-totalMs/${name}`
      const answer = await ask(path, eventsApart())
      expectNear(answer.tookMs, settings.totalMs)
      const events = eventsIn(answer.body)
      expect(events.length).toBeGreaterThan(8)
      expectErrorEvent(events.at(-1), format, 'upstream_total_timeout')
      expect(answer.ended).not.toBe('complete')
      await expectClosed(path)
      await expectOneRecord(answer, { status: 200, ending: 'total_timeout' })
    },
  )

  it('C60: to finish a plain body breaks it off in time, and is closed', async () => {
    const path = '/http-totalMs/file'
    const answer = await ask(path, async (x) => {
      await x.send(answerHead(200, { 'content-type': 'application/octet-stream', 'content-length': '100' }))
      await x.send('the beginning')
    })
    expectNear(answer.tookMs, settings.totalMs)
    expect(answer).toMatchObject({ text: 'the beginning', ended: 'cut' })
    await expectClosed(path)
    await expectOneRecord(answer, { status: 200, ending: 'total_timeout' })
  })

  it('only now and then, for less than its idle time, goes on undisturbed to its end', async () => {
    const path = '/http-idleMs/steady'
    const answer = await ask(path, async (x) => {
      await x.send(eventStream)
      for (let sent = 0; sent < 5; sent += 1) {
        await x.send(chunk(event))
        await x.wait(settings.idleMs / 3)
      }
      await x.send('0\r\n\r\n')
    })
    expect(answer).toMatchObject({ status: 200, ended: 'complete', text: event.repeat(5) })
  })
})
