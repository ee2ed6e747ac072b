import { addressBucket } from '../core/http/client-address.ts'
import { keyPrefix } from '../core/key/key-text.ts'
import { costOf } from '../core/llm/cost.ts'
import type { Usage } from '../core/llm/usage.ts'
import { isRefusal } from '../core/outcome.ts'
import type { Refusal } from '../core/refusal.ts'
import type { RequestRecord } from '../core/record.ts'
import type { Delivered, Delivery } from './delivery.ts'
import { BlindMeter, type Meter } from './meter.ts'
import type { Deps } from './deps.ts'
import type { RequestLife } from './exchange.ts'

/** What the client was answered with. */
export interface Answered {
  readonly status: number
  readonly refusal: Refusal | null
  readonly tier: Delivery['tier']
  /** What counted the answer, where something did. */
  readonly meter: Meter | null
}

/**
 * Ends an exchange, once: settles what it held of its limits and writes its one record. Does nothing the second time,
 * and never throws: what cannot be counted is settled without usage.
 */
export function settle(x: RequestLife, answered: Answered, delivered: Delivered, deps: Deps): void {
  if (x.isSettled) return
  x.isSettled = true
  noting(x, deps, () => x.facts.answerEnded?.(brokeOff(answered) ? 'upstream_failed' : delivered.ending))
  const usage = noting(x, deps, () => count(x, answered, deps)) ?? null
  const money = charge(x, usage, deps)
  noting(x, deps, () => {
    if (answered.refusal !== null && usage === null) x.grant?.release()
    else x.grant?.settle({ usage, costMicroUsd: money.costMicroUsd, ending: delivered.ending })
  })
  deps.recorder.record({ ...recordOf(x, answered, delivered, deps), usage, ...money })
}

/** Runs a step of which the others must not depend. @returns undefined where it threw, which is noted as a bug */
function noting<T>(x: RequestLife, deps: Deps, step: () => T): T | undefined {
  try {
    return step()
  } catch (bug) {
    deps.recorder.bug(x.id, bug)
    return undefined
  }
}

function count(x: RequestLife, answered: Answered, { estimator }: Deps): Usage | null {
  const meter = answered.meter ?? abandonedCall(x, answered)
  return meter?.usage(estimator) ?? null
}

/** Whether a good answer turned out to be none while the gateway read it. */
function brokeOff({ refusal }: Answered): boolean {
  return refusal?.refused === 'upstream_broke_off' || refusal?.refused === 'upstream_total_timeout'
}

/** The attempts, with what those cost that were given up for another one: the account is charged once. */
function attemptsOf(x: RequestLife, deps: Deps): RequestRecord['attempts'] {
  const told = noting(x, deps, () =>
    x.facts.attempts.map((attempt) => {
      const isLost = attempt.result === 'hedge_lost' && x.llm !== null && x.request.method === 'POST'
      const usage = isLost && x.llm !== null ? new BlindMeter(x.llm).usage(deps.estimator) : null
      return { ...attempt, costMicroUsd: charge(x, usage, deps).costMicroUsd }
    }),
  )
  return told ?? x.facts.attempts.map((attempt) => ({ ...attempt, costMicroUsd: null }))
}

/** A client that leaves while an upstream works on its answer has still asked for it. */
function abandonedCall(x: RequestLife, { refusal }: Answered): Meter | null {
  // Where it leaves between two attempts, the one before has come to nothing.
  const asked = refusal?.refused === 'client_left' && x.facts.attempts.at(-1)?.result === 'client_left'
  return asked && x.llm !== null && x.request.method === 'POST' ? new BlindMeter(x.llm) : null
}

type Charged = 'usage' | 'costMicroUsd' | 'priced'

function charge(
  x: RequestLife,
  usage: Usage | null,
  deps: Deps,
): Pick<RequestRecord, 'costMicroUsd' | 'priced'> {
  const snapshot = deps.config.snapshot()
  if (usage === null || isRefusal(snapshot)) return { costMicroUsd: null, priced: null }
  const cost = costOf(usage, x.llm?.facts().model ?? null, snapshot.prices)
  return cost.priced ? { costMicroUsd: cost.microUsd, priced: true } : { costMicroUsd: null, priced: false }
}

function recordOf(
  x: RequestLife,
  answered: Answered,
  delivered: Delivered,
  deps: Deps,
): Omit<RequestRecord, Charged> {
  const { facts } = x
  const llm = x.llm?.facts()
  return {
    kind: 'request',
    startedMs: x.startedMs,
    id: x.id,
    clientRequestId: printable(x.request.headers.get('x-request-id')),
    method: x.request.method,
    client: clientOf(x.request, deps),
    account: facts.account,
    keyId: facts.keyId,
    route: facts.route?.id ?? null,
    target: facts.target?.id ?? null,
    status: answered.status,
    ...refusedBy(answered),
    model: nameable(llm?.asked ?? null),
    upstreamModel: nameable(llm?.model ?? null),
    upstreamStatus: facts.upstreamStatus,
    upstreamRequestId: printable(facts.upstreamRequestId),
    attempts: attemptsOf(x, deps),
    cache: facts.cache,
    tier: answered.tier,
    ending: delivered.ending,
    bytes: delivered.bytes,
    waits: x.waits,
    totalMs: deps.clock.nowMs() - x.startedMs,
  }
}

function refusedBy({ refusal }: Answered): Pick<RequestRecord, 'refused' | 'violated'> {
  if (refusal === null) return { refused: null, violated: [] }
  return { refused: refusal.refused, violated: 'violated' in refusal ? refusal.violated : [] }
}

/** Whom the client's address stands for, where somebody's word on it is taken. */
function clientOf({ headers }: Request, { config }: Deps): string | null {
  const snapshot = config.snapshot()
  if (isRefusal(snapshot) || snapshot.settings.clientAddress !== 'cloudflare') return null
  return addressBucket(headers.get('cf-connecting-ip') ?? '')
}

/** A model's name as far as it can stand in a log: what no provider would call one, a key of ours above all, is left out. */
function nameable(model: string | null): string | null {
  return model !== null && model.length <= 256 && !model.includes(keyPrefix) ? model : null
}

/** A foreign id as far as it can stand in a log: short, visible ASCII; anything else is left out. */
function printable(id: string | null): string | null {
  return id !== null && /^[\x21-\x7e]{1,128}$/.test(id) && !id.includes(keyPrefix) ? id : null
}
