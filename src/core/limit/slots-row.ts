import { clockSkewMs, slotGuardMs, slotLeaseMs, slotRowSlackMs } from './slots-terms.ts'

/** What a Ledger stores of slots: no more than `out` may be held by isolates, and none of them after `untilMs`. */
export interface SlotRow {
  readonly out: number
  readonly untilMs: number
}

const nothing: SlotRow = { out: 0, untilMs: 0 }

/**
 * What may be held by isolates when a Ledger begins to run. No row, or one that another kind of limit left: it has never
 * granted a slot. A row that cannot be read: all slots, for as long as a slot is held.
 */
export function heldAtStart(row: string | null, max: number, nowMs: number): SlotRow {
  const stored = row === null ? nothing : readRow(row)
  const latestMs = nowMs + slotLeaseMs + slotGuardMs
  if (stored === null) return { out: max, untilMs: latestMs }
  const untilMs = Math.min(stored.untilMs + clockSkewMs, latestMs)
  return untilMs > nowMs ? { out: stored.out, untilMs } : nothing
}

/** A row as it was stored; null when it cannot be read. */
export function readRow(row: string): SlotRow | null {
  try {
    const value: unknown = JSON.parse(row)
    if (typeof value !== 'object' || value === null) return null
    if (!('out' in value) && !('untilMs' in value)) return nothing
    const { out, untilMs }: { out?: unknown; untilMs?: unknown } = value
    return isCount(out) && isCount(untilMs) ? { out, untilMs } : null
  } catch {
    return null
  }
}

/**
 * The row to store before a reply leaves, or null when the stored one is good: it covers what is held, and a restart
 * would not hold back more than half of what is free. It covers up to half of what is free beyond what is held, an
 * eighth of the limit at most, so that one more slot seldom writes.
 */
export function rowToStore(stored: SlotRow | null, held: SlotRow, max: number): SlotRow | null {
  if (stored === null && held.out === 0) return null
  const before = stored ?? nothing
  const free = Math.max(0, max - held.out)
  const covers = before.out >= held.out && (held.out === 0 || before.untilMs >= held.untilMs)
  const locksOut = before.out > held.out && max - before.out < free / 2 && before.untilMs > held.untilMs
  if (covers && !locksOut) return null
  const ahead = held.out === 0 ? 0 : Math.min(Math.floor(free / 2), Math.ceil(max / 8))
  return { out: held.out + ahead, untilMs: held.out === 0 ? 0 : held.untilMs + slotRowSlackMs }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
