import type { Refusal } from '../core/refusal.ts'
import type { RequestRecord } from '../core/record.ts'
import type { Delivered, Delivery } from './delivery.ts'
import type { Deps } from './deps.ts'
import type { RequestLife } from './exchange.ts'

/** What the client was answered with. */
export interface Answered {
  readonly status: number
  readonly refusal: Refusal | null
  readonly tier: Delivery['tier']
}

/** Ends an exchange, once: settles what it held of its limits and writes its one record. */
export function settle(x: RequestLife, answered: Answered, delivered: Delivered, deps: Deps): void {
  if (answered.refusal === null) x.grant?.settle(null, delivered.ending)
  else x.grant?.release()
  deps.recorder.record(recordOf(x, answered, delivered, deps.clock.nowMs()))
}

function recordOf(x: RequestLife, answered: Answered, delivered: Delivered, nowMs: number): RequestRecord {
  const { facts } = x
  return {
    kind: 'request',
    startedMs: x.startedMs,
    id: x.id,
    clientRequestId: printable(x.request.headers.get('x-request-id')),
    method: x.request.method,
    account: facts.account,
    keyId: facts.keyId,
    route: facts.route?.id ?? null,
    target: facts.target?.id ?? null,
    status: answered.status,
    refused: answered.refusal?.refused ?? null,
    upstreamStatus: facts.upstreamStatus,
    upstreamRequestId: printable(facts.upstreamRequestId),
    tier: answered.tier,
    ending: delivered.ending,
    bytes: delivered.bytes,
    waits: x.waits,
    totalMs: nowMs - x.startedMs,
  }
}

/** A foreign id as far as it can stand in a log: short, visible ASCII; anything else is left out. */
function printable(id: string | null): string | null {
  return id !== null && /^[\x21-\x7e]{1,128}$/.test(id) && !id.includes('slc_') ? id : null
}
