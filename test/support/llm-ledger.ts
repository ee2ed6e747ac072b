import { Buffer } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { RequestRecord } from '../../src/core/record.ts'
import { eventually } from './eventually.ts'
import { type GatedUpstream, Play, type Sequel, startGatedUpstream } from './gated-upstream.ts'
import { type GatewayUnderTest, startGatewayUnderTest } from './gateway-under-test.ts'
import { eventTexts, type LlmFormat, llmFormats, llmRequest, tokensIn } from './llm-formats.ts'
import { RawConnection } from './raw-client.ts'

/** A format with what decides on its tier and on whether the upstream says its usage. */
export interface Way {
  readonly name: string
  readonly format: LlmFormat
  readonly tier: 'tap' | 'pump'
  /** Members of the body. */
  readonly more: object
  readonly usage: 'strip' | 'never'
  /** Whether the key's tokens are reserved in slices, of which there are enough. */
  readonly sliced?: true
}

const asking = { stream_options: { include_usage: true } }
const { chat, responses, messages } = llmFormats

export const ways: readonly Way[] = [
  { name: 'chat, the client asks for usage', format: chat, tier: 'tap', more: asking, usage: 'strip' },
  { name: 'chat, the gateway asks for usage', format: chat, tier: 'pump', more: {}, usage: 'strip' },
  { name: 'chat, nobody asks for usage', format: chat, tier: 'tap', more: {}, usage: 'never' },
  { name: 'Responses', format: responses, tier: 'tap', more: {}, usage: 'strip' },
  { name: 'Messages', format: messages, tier: 'tap', more: {}, usage: 'strip' },
  { name: 'chat in slices', format: chat, tier: 'pump', more: {}, usage: 'strip', sliced: true },
  { name: 'Messages in slices', format: messages, tier: 'pump', more: {}, usage: 'strip', sliced: true },
]

/** Of the prompt of every format. */
const promptTokens = 5
const tokens = 12
/** Four bytes a token, as the estimate has it. */
const model = `mock/n=${tokens},size=4`
/** Events that left before the pause; the last ones lie around usage and terminal event. */
export const points: readonly number[] = [0, 1, 2, 3, 5, 8, -4, -3, -2, -1]

/** Which routes a stream takes: what happens when its client leaves, or how patient its target is. */
export type Policy = 'abort' | 'drain' | 'idle' | 'total'

export const idleMs = 400
export const totalMs = 500

export interface LlmLedger {
  readonly up: GatedUpstream
  readonly gateway: GatewayUnderTest
  /** A key whose tokens are reserved in slices. */
  readonly slicedKey: string
  close(): Promise<void>
}

/** A gateway with a route for every policy, dialect and wish about usage, in front of a gated upstream. */
export async function startLlmLedger(): Promise<LlmLedger> {
  const up = await startGatedUpstream()
  const dialects = ['openai', 'anthropic']
  const hasty = (dialect: string, timeouts: object) => ({
    dialect,
    targets: [{ origin: up.url }],
    timeouts,
  })
  const upstreams = dialects.flatMap((dialect) => [
    [`idle-${dialect}`, hasty(dialect, { idleMs })],
    [`total-${dialect}`, hasty(dialect, { totalMs, firstByteMs: totalMs, idleMs: totalMs })],
  ])
  const policies: readonly Policy[] = ['abort', 'drain', 'idle', 'total']
  const kinds = dialects.flatMap((dialect) => policies.map((policy) => ({ dialect, policy })))
  const routes = kinds.flatMap(({ dialect, policy }) =>
    (['strip', 'never'] as const).map((usage) => ({
      id: `${policy}-${usage}-${dialect}`,
      path: `/${policy}-${usage}-${dialect}/*`,
      rewrite: '/*',
      upstream: policy === 'idle' || policy === 'total' ? `${policy}-${dialect}` : dialect,
      streams: { usage, onLeave: policy === 'drain' ? 'drain' : 'abort' },
    })),
  )
  const gateway = await startGatewayUnderTest({
    upstreamUrl: up.url,
    upstreams: Object.fromEntries(upstreams) as Record<string, unknown>,
    routes,
  })
  const budget = { kind: 'token-budget', name: 'day', max: 1_000_000_000, calendar: 'day', reserve: 'slices' }
  const { key: slicedKey } = await gateway.newKey({ limits: [budget] })
  return {
    up,
    gateway,
    slicedKey,
    async close() {
      await gateway.close()
      await up.close()
    },
  }
}

/** One stream from beginning to end. */
export interface Run {
  readonly mark: string
  readonly play: Play
  readonly way: Way
  /** Tokens that reached the client in whole events. */
  readonly received: number
  /** What reached the client. */
  readonly body: Buffer
  /** When the client left, or the upstream's sequel began; `performance.now()`. */
  readonly turnedMs: number
}

/** What happens once the client has all that came before the pause. */
export type Turn = (connection: RawConnection, play: Play) => Promise<void> | void

/** The upstream goes on with its sequel. */
export const resuming: Turn = (_connection, play) => play.resume()

export interface Scene {
  readonly way: Way
  readonly policy: Policy
  readonly pauseAt: number
  readonly sequel: Sequel
  readonly turn: Turn
}

const isUsageChunk = (event: string): boolean => event.includes('"choices":[]')

/** Runs a stream to its pause, lets the turn happen, and waits until the client's side has ended. */
export async function run(
  { up, gateway, slicedKey }: LlmLedger,
  { way, policy, pauseAt, sequel, turn }: Scene,
): Promise<Run> {
  const mark = randomUUID()
  const play = new Play(pauseAt, sequel)
  up.plays.set(mark, play)
  const { format, more, usage } = way
  const request = llmRequest(format, {
    prefix: `/${policy}-${usage}-${format.dialect}`,
    key: way.sliced === true ? slicedKey : gateway.key,
    more: { ...more, model, stream: true },
  })
  const connection = await RawConnection.open(gateway)
  const headers = { ...request.headers, 'x-mark': mark, 'x-request-id': mark }
  const live = connection.request({ ...request, headers })
  await live.head()
  const shown = play.events.slice(0, play.pause).filter((event) => way.tier === 'tap' || !isUsageChunk(event))
  await live.reaches(Buffer.byteLength(shown.join('')))
  // What the client is not shown may still be on its way to the gateway.
  await wait(way.tier === 'pump' ? 30 : 5)
  const turnedMs = performance.now()
  await turn(connection, play)
  await connection.until(() => live.complete)
  connection.destroy()
  const { body } = live
  return { mark, play, way, received: tokensIn(eventTexts(body), tokens), body, turnedMs }
}

/** Records of all runs, once each has one and there was time for a second. */
export async function settled(
  { gateway }: Pick<LlmLedger, 'gateway'>,
  marks: readonly string[],
  withinMs = 5_000,
): Promise<readonly (readonly RequestRecord[])[]> {
  const of = (mark: string) => gateway.records().filter(({ clientRequestId }) => clientRequestId === mark)
  await eventually(() => marks.every((mark) => of(mark).length > 0), withinMs).catch(() => {})
  await wait(150)
  return marks.map(of)
}

export interface Expected {
  readonly endings: readonly string[]
  /** Whether the upstream was read to its end, wherever the turn came. */
  readonly whole: boolean
}

/** What is wrong with the settlements of runs, each of which must have one; empty when nothing is. */
export async function faultsOf(
  ledger: LlmLedger,
  runs: readonly Run[],
  expected: Expected,
): Promise<readonly string[]> {
  const marks = runs.map(({ mark }) => mark)
  const records = await settled(ledger, marks)
  return runs.flatMap((each, at) =>
    faults(each, records[at] ?? [], expected).map((fault) => `after ${each.play.pauseAt} events: ${fault}`),
  )
}

function faults(each: Run, records: readonly RequestRecord[], expected: Expected): readonly string[] {
  const [record] = records
  if (record === undefined || records.length !== 1) return [`${records.length} records`]
  const { usage, ending, tier } = record
  if (usage === null) return ['no usage']
  const { play, way, received } = each
  const { certain, possible } = whatWasSaid(each, expected)
  const measured = usage.source === 'measured'
  const sent = tokensIn(play.events.slice(0, play.sent), tokens)
  const checks: Record<string, boolean> = {
    [`tier ${tier}`]: tier === way.tier,
    [`ending ${ending}`]: expected.endings.includes(ending),
    [`says ${usage.source}`]: measured ? possible : !certain,
    [`charges ${usage.outputTokens}, delivered ${received}`]: usage.outputTokens >= received,
    // Half an event may bear a token, and what Messages begin with counts one.
    [`charges ${usage.outputTokens}, sent ${sent}`]: measured || usage.outputTokens <= Math.max(1, sent + 1),
    [`charges ${usage.outputTokens} of ${tokens}`]:
      !(measured || expected.whole) || usage.outputTokens === tokens,
    [`charges an input of ${usage.inputTokens}`]: !measured || usage.inputTokens === promptTokens,
  }
  return Object.keys(checks).filter((check) => checks[check] !== true)
}

/** Whether the gateway must have heard, and may have heard, what the whole answer came to. */
function whatWasSaid({ play, way }: Run, { whole }: Expected): { certain: boolean; possible: boolean } {
  const says = (events: readonly string[]) => way.usage === 'strip' && events.some(isFinalUsage)
  if (whole) return { certain: says(play.events), possible: says(play.events) }
  return { certain: says(play.events.slice(0, play.pause)), possible: says(play.events.slice(0, play.sent)) }
}

function isFinalUsage(event: string): boolean {
  return event.includes('"usage":{') && !event.includes('message_start')
}
