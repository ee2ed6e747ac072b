import type {
  Holding,
  Need,
  OpenedReservation,
  SettledReservation,
  SyncRequest,
  Take,
} from '../../core/limit/messages.ts'
import { isLimitSpec } from '../../core/limit/read-spec.ts'
import { readHints, type TargetHint } from '../../core/upstream/hints.ts'
import { readChecks, type TargetCheck } from '../../core/upstream/target-check.ts'

type Fields = Readonly<Record<string, unknown>>

/** Keys whose records are told in one reply at most. */
const keysMax = 200
/** The longest name of anything in a message. */
const textLengthMax = 1_000
const replyWithinMsMax = 10_000
const sources = ['measured', 'estimated', 'lost'] as const

/** The part of a message that is about limits. */
export type PermitRequest = Omit<SyncRequest, 'v' | 'sequence' | 'keys' | 'hints' | 'checks'>

/** A message, as far as it can be understood. */
export interface ReadRequest {
  /** Null for a message of another version, or one that says nothing that can be answered with permits. */
  readonly permits: PermitRequest | null
  readonly seq: number
  readonly sequence: number | null
  readonly keys: readonly string[]
  readonly hints: readonly TargetHint[]
  readonly checks: readonly TargetCheck[]
}

/**
 * Reads what an isolate sent, which may run another version of the gateway: fields it does not know are ignored, absent
 * ones are taken as their empty value, and parts that make no sense are left out.
 */
export function readRequest(value: unknown): ReadRequest {
  const from = fieldsOf(value)
  const seq = isAmount(from.seq) ? from.seq : 0
  return {
    permits: from.v === 1 ? readPermits(from) : null,
    seq,
    sequence: isAmount(from.sequence) ? from.sequence : null,
    keys: listOf(from.keys, (key) => (isText(key) ? key : null)).slice(0, keysMax),
    hints: readHints(from.hints),
    checks: readChecks(from.checks),
  }
}

function readPermits(from: Fields): PermitRequest | null {
  const { isolate, seq, boot, replyWithinMs } = from
  if (!isText(isolate) || !Number.isSafeInteger(seq) || !isAmount(seq) || !isAmount(replyWithinMs))
    return null
  return {
    isolate,
    seq,
    boot: isText(boot) ? boot : null,
    replyWithinMs: Math.min(replyWithinMs, replyWithinMsMax),
    acked: readAcked(from.acked),
    holdings: listOf(from.holdings, readHolding),
    needs: listOf(from.needs, readNeed),
    opened: listOf(from.opened, readOpened),
    settled: listOf(from.settled, readSettled),
  }
}

function readAcked(value: unknown): PermitRequest['acked'] {
  const { seq, agoMs } = fieldsOf(value)
  return isAmount(seq) && isAmount(agoMs) ? { seq, agoMs } : null
}

function readHolding(value: unknown): Holding | null {
  const { counter, spec, have, used, inUse, perSecond, want, debt } = fieldsOf(value)
  if (!isText(counter) || !isLimitSpec(spec)) return null
  return {
    counter,
    spec,
    have: amountOf(have),
    used: amountOf(used),
    inUse: amountOf(inUse),
    perSecond: amountOf(perSecond),
    want: amountOf(want),
    debt: amountOf(debt),
  }
}

function readNeed(value: unknown): Need | null {
  const { id, takes, key } = fieldsOf(value)
  const read = readTakes(takes)
  if (!isText(id) || read === null) return null
  // Each take is judged by itself: two of one counter would get what is there twice.
  const counters = new Set(read.map(({ counter }) => counter))
  return counters.size === read.length ? { id, takes: read, key: isText(key) ? key : null } : null
}

function readOpened(value: unknown): OpenedReservation | null {
  const { id, takes, deadlineMs, key, route, model, inputTokens, outputTokens, microUsd } = fieldsOf(value)
  const read = readTakes(takes)
  if (!isText(id) || read === null || !isAmount(deadlineMs) || !isText(key)) return null
  return {
    id,
    takes: read,
    deadlineMs,
    key,
    route: isText(route) ? route : '',
    model: isText(model) ? model : null,
    inputTokens: amountOf(inputTokens),
    outputTokens: amountOf(outputTokens),
    microUsd: isAmount(microUsd) ? microUsd : null,
  }
}

function readSettled(value: unknown): SettledReservation | null {
  const opened = readOpened(value)
  const { costs, source, endedMs } = fieldsOf(value)
  const read = readTakes(costs)
  if (opened === null || read === null || !isAmount(endedMs)) return null
  return { ...opened, costs: read, source: sources.find((word) => word === source) ?? 'estimated', endedMs }
}

/** All takes, or null when one of them makes no sense: a request never gets less than it asked for. */
function readTakes(value: unknown): readonly Take[] | null {
  if (value === undefined) return []
  if (!Array.isArray(value)) return null
  const takes = listOf(value, readTake)
  return takes.length === value.length ? takes : null
}

function readTake(value: unknown): Take | null {
  const { counter, cost } = fieldsOf(value)
  return isText(counter) && isAmount(cost) ? { counter, cost } : null
}

/** What can be read of a list; the rest is left out. */
function listOf<T>(value: unknown, read: (item: unknown) => T | null): T[] {
  return Array.isArray(value) ? value.map(read).filter((item) => item !== null) : []
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {}
}

function amountOf(value: unknown): number {
  return isAmount(value) ? value : 0
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= textLengthMax
}

/** Permits, tokens, money and times: never negative, never so large that a sum loses ones. */
function isAmount(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER
}
