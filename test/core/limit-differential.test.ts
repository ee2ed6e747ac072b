import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { SyncRequest } from '../../src/core/limit/messages.ts'
import { PermitBook } from '../../src/core/limit/permit-book.ts'
import type { LimitSpec } from '../../src/core/limit/spec.ts'

const spec: LimitSpec = {
  name: 'limit',
  kind: 'request-rate',
  max: 3,
  periodMs: 1000,
  burst: 7,
  calendar: null,
  durability: 'default',
  onFailure: 'closed',
  reserve: 'auto',
}
const counter = 'key:k:limit'
const limits = { specOf: () => spec, limitsOfKey: () => [] }

/** A message that asks for `cost` permits at once and leases nothing; a cost of 0 only says that the last one left. */
function message(seq: number, cost: number): SyncRequest {
  return {
    v: 1,
    isolate: 'i',
    seq,
    boot: 'b',
    replyWithinMs: 1000,
    acked: seq > 1 ? { seq: seq - 1, agoMs: 0 } : null,
    holdings: [{ counter, spec, have: 0, used: 0, inUse: 0, perSecond: 0, want: 0, debt: 0 }],
    needs: cost > 0 ? [{ id: `${seq}`, takes: [{ counter, cost }], key: null }] : [],
    opened: [],
    settled: [],
    sequence: null,
    keys: [],
  }
}

describe('a Ledger that is asked for each request, with no distance between', () => {
  test('decides as a token bucket does, to the last request', () => {
    const requests = fc.array(fc.tuple(fc.integer({ min: 0, max: 900 }), fc.integer({ min: 1, max: 4 })), {
      maxLength: 60,
    })
    fc.assert(
      fc.property(requests, (all) => {
        const book = new PermitBook({ counter: () => null, saveCounter: () => undefined }, 'b', 0)
        let [nowMs, level, seq] = [0, 7000, 0]
        for (const [afterMs, cost] of all) {
          nowMs += afterMs
          level = Math.min(7000, level + 3 * afterMs)
          const fits = level >= cost * 1000
          if (fits) level -= cost * 1000
          const served = book.serve(message((seq += 1), cost), limits, nowMs)
          expect(served.needs[0]?.takes !== null).toBe(fits)
          book.serve(message((seq += 1), 0), limits, nowMs)
        }
      }),
      { numRuns: 500 },
    )
  })
})
