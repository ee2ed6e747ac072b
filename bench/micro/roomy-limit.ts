import type { BookStore } from '../../src/core/limit/permit-book-counters.ts'
import type { LimitSpec } from '../../src/core/limit/spec.ts'

/** A limit on requests so large that no benchmark uses a lease of it up. */
export const roomyLimit: LimitSpec = {
  name: 'rate',
  kind: 'request-rate',
  max: 4_000_000_000_000,
  periodMs: 60_000,
  burst: 4_000_000_000_000,
  calendar: null,
  durability: 'default',
  onFailure: 'closed',
  reserve: 'auto',
}

/** The rows of a Ledger that has no disk. */
export function rowsInMemory(): BookStore {
  const rows = new Map<string, string>()
  return {
    counter: (id) => rows.get(id) ?? null,
    saveCounter: (id, row) => void rows.set(id, row),
  }
}
