import type { Lease } from './leases.ts'

/** What is stored of a window: never less than what is charged. */
export interface WindowRow {
  readonly v: 1
  readonly kind: 'window'
  readonly shape: { readonly periodMs: number | null; readonly calendar: 'day' | 'month' | null }
  readonly slots: readonly (readonly [number, number])[]
  /** The leases, when the charges are exact and nothing has happened since; else null. */
  readonly leases: readonly (readonly [string, Lease])[] | null
}

/** @returns null for anything but a window's row */
export function parseWindowRow(text: string | null): WindowRow | null {
  if (text === null) return null
  const row: unknown = JSON.parse(text)
  return typeof row === 'object' && row !== null && 'kind' in row && row.kind === 'window'
    ? (row as WindowRow)
    : null
}
