/**
 * Scans mutated bodies and compares with an oracle made of `JSON.parse`; rewrites those that are taken, whole and in
 * random pieces, and compares bytes and meaning. Run directly: `node test/fuzz/llm-body-differential.ts --runs 100000 --seed 1`.
 */
import { isDeepStrictEqual } from 'node:util'
import type { JsonValue } from '../../src/core/llm/json-value.ts'
import { BodyRewriter } from '../../src/core/llm/body-rewriter.ts'
import { type BodyScan, scanBody, watchedKeys } from '../../src/core/llm/body-scan.ts'
import { type Edit, type RewritePlan, rewriteBody } from '../../src/core/llm/body-splice.ts'
import { isRefusal, type Outcome } from '../../src/core/outcome.ts'
import { makeMutatedBody } from './llm-body-mutations.ts'
import { judge, type Judgement } from './llm-body-oracle.ts'
import { Choices } from './llm-body-random.ts'

export interface Tally {
  taken: number
  /** How many were refused, by the oracle's reason. */
  readonly refused: Map<string, number>
  readonly disagreements: string[]
}

const more = ['metadata', 'extra']
const watched = watchedKeys(more)

/** Runs the differential; what disagrees is described with the body that shows it. */
export function runDifferential(runs: number, seed: number): Tally {
  const choices = new Choices(seed)
  const tally: Tally = { taken: 0, refused: new Map(), disagreements: [] }
  for (let run = 0; run < runs; run += 1) {
    const body = makeMutatedBody(choices)
    const wanted = judge(body, more)
    const problem = compare(body, wanted, choices)
    if (problem !== null) tally.disagreements.push(`${problem}: ${JSON.stringify(latin1(body))}`)
    if (wanted.refused === null) tally.taken += 1
    else tally.refused.set(wanted.refused, (tally.refused.get(wanted.refused) ?? 0) + 1)
  }
  return tally
}

function latin1(body: Uint8Array): string {
  return Array.from(body, (byte) => String.fromCharCode(byte)).join('')
}

/** @returns what does not agree, or `null` */
function compare(body: Uint8Array, wanted: Judgement, choices: Choices): string | null {
  const scan = scanBody(body, watched)
  const plan = makePlan(choices)
  const streamed = rewriteInPieces(body, plan, () => 1 + choices.below(choices.pick([1, 5, 40, 2000])))
  if (isRefusal(scan)) {
    if (wanted.refused === null) return `refused though it should be taken (${JSON.stringify(scan)})`
    return isRefusal(streamed) ? null : 'the rewriter took what the scan refused'
  }
  if (wanted.refused !== null) return `taken though it should be refused (${wanted.refused})`
  return (
    compareScan(body, scan, wanted) ?? compareRewrites(rewriteBody(body, scan, plan), streamed, wanted, plan)
  )
}

function compareScan(body: Uint8Array, scan: BodyScan, { object }: Judgement): string | null {
  for (const key of ['model', 'stream', 'stream_options', 'max_tokens', 'n', 'user', ...more]) {
    const there = Object.hasOwn(object, key)
    if (scan.members.has(key) !== there) return `${key} is ${there ? 'not ' : ''}there`
    const problem = there ? compareMember(body, scan, key, object[key]) : null
    if (problem !== null) return `${problem} of ${key}`
  }
  const ends = body[scan.close] === 0x7d && scan.empty === (Object.keys(object).length === 0)
  return ends ? null : 'another end'
}

function compareMember(body: Uint8Array, scan: BodyScan, key: string, wanted: unknown): string | null {
  const member = scan.members.get(key)
  if (member === undefined || !isDeepStrictEqual(scan.values.get(key), wanted)) return 'another value'
  const { valueStart, valueEnd, keyStart, separatorAt, last } = member
  const text = new TextDecoder().decode(body.subarray(valueStart, valueEnd))
  if (!isDeepStrictEqual(JSON.parse(text), wanted) || text.trim() !== text) return 'another range'
  return body[keyStart] === 0x22 && body[separatorAt] === (last ? 0x7d : 0x2c) ? null : 'another place'
}

function compareRewrites(
  whole: Outcome<Uint8Array>,
  streamed: Outcome<Uint8Array>,
  { object }: Judgement,
  plan: RewritePlan,
): string | null {
  const expected = expectedObject(object, plan)
  if (isRefusal(whole) || isRefusal(streamed)) {
    return isRefusal(whole) && isRefusal(streamed) && expected === null
      ? null
      : 'an edit refused in one way only'
  }
  if (!isDeepStrictEqual(whole, streamed))
    return `other bytes in pieces (${latin1(whole)} / ${latin1(streamed)})`
  const { refused, object: sent } = judge(whole, more)
  if (refused !== null) return `the rewritten body is refused (${refused}, ${latin1(whole)})`
  return isDeepStrictEqual(sent, expected) ? null : `another meaning (${latin1(whole)})`
}

/** What the upstream has to read; `null` when an edit refuses. */
function expectedObject(object: Judgement['object'], plan: RewritePlan): Judgement['object'] | null {
  const expected: Record<string, JsonValue> = { ...object }
  for (const [key, edit] of plan.edits) {
    const wanted = edit(object[key])
    if (isRefusal(wanted)) return null
    if (wanted !== undefined) expected[key] = wanted
  }
  if (!plan.askForUsage || object['stream'] !== true) return expected
  const options = object['stream_options'] as Record<string, JsonValue> | null | undefined
  return { ...expected, stream_options: { ...options, include_usage: true } }
}

function makePlan(choices: Choices): RewritePlan {
  const edits = new Map<string, Edit>()
  if (!choices.rarely(3)) edits.set('model', choices.pick(modelEdits))
  if (choices.rarely(3)) edits.set('max_tokens', clamp)
  if (choices.rarely(4)) edits.set('extra', (value) => (value === undefined ? 'added' : undefined))
  return { edits, askForUsage: !choices.rarely(3) }
}

const modelEdits: readonly Edit[] = [
  () => 'a-longer-model "name"',
  () => 'm',
  (value) => (typeof value === 'string' ? value : undefined),
  (value) => (value === 'gpt-x' ? 'größer' : undefined),
  (value) => (value === undefined ? { refused: 'malformed_request', detail: 'no model' } : 'gpt-y'),
]

function clamp(value: JsonValue | undefined): number {
  return typeof value === 'number' ? Math.min(value, 50) : 50
}

/** Rewrites a body in pieces of the sizes asked for. */
export function rewriteInPieces(
  body: Uint8Array,
  plan: RewritePlan,
  nextSize: () => number,
): Outcome<Uint8Array> {
  const rewriter = new BodyRewriter(plan, watched)
  const sent: Uint8Array[] = []
  let settledDelta: number | null = null
  for (let at = 0; at < body.length;) {
    const size = nextSize()
    // The chunk's buffer is used for something else as soon as its pieces are written.
    const chunk = body.slice(at, at + size)
    const pieces = rewriter.push(chunk)
    if (isRefusal(pieces)) return pieces
    for (const piece of pieces) sent.push(piece.slice())
    chunk.fill(0xff)
    settledDelta ??= rewriter.lengthDelta
    at += size
  }
  const end = rewriter.end()
  if (isRefusal(end)) return end
  const whole = new Uint8Array(Buffer.concat(sent))
  const delta = whole.length - body.length
  if (end.lengthDelta !== delta) throw new Error(`the delta is ${delta}, not ${end.lengthDelta}`)
  if (settledDelta !== null && settledDelta !== delta) throw new Error('a settled delta changed')
  return whole
}

function option(name: string, otherwise: number): number {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? otherwise : Number(process.argv[at + 1])
}

if (import.meta.main ?? process.argv[1]?.endsWith('llm-body-differential.ts') === true) {
  const runs = option('runs', 100_000)
  const { taken, refused, disagreements } = runDifferential(runs, option('seed', 1))
  const reasons = [...refused].map(([reason, count]) => `${reason} ${count}`).join(', ')
  process.stdout.write(`${runs} bodies: ${taken} taken, ${runs - taken} refused (${reasons})\n`)
  process.stdout.write(
    `${[`${disagreements.length} disagreements`, ...disagreements.slice(0, 10)].join('\n')}\n`,
  )
  process.exitCode = disagreements.length === 0 ? 0 : 1
}
