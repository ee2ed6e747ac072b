import type { LimitKindName } from '../spec.ts'
import type { Lease } from './leases.ts'

/** What is stored of a window: never less than what is charged. */
export interface WindowRow {
  readonly v: 1
  readonly kind: 'window'
  /** What it counts: a limit of another kind begins anew. */
  readonly limit: LimitKindName
  readonly shape: { readonly periodMs: number | null; readonly calendar: 'day' | 'month' | null }
  readonly slots: readonly (readonly [number, number])[]
  /** The leases, when the charges are exact and nothing has happened since; else null. */
  readonly leases: readonly (readonly [string, Lease])[] | null
}

/** @returns null for anything but the row of a window that counts the same */
export function parseWindowRow(text: string | null, limit: LimitKindName): WindowRow | null {
  if (text === null) return null
  const row = JSON.parse(text) as Partial<WindowRow> | null
  return row?.kind === 'window' && row.limit === limit ? (row as WindowRow) : null
}
