import type { UsageTotals } from '../../core/usage/rollup.ts'

const columns: Readonly<Record<keyof UsageTotals, string>> = {
  requests: 'requests',
  inputTokens: 'input_tokens',
  outputTokens: 'output_tokens',
  microUsd: 'micro_usd',
  estimated: 'estimated',
  lost: 'lost',
}
const entries = Object.entries(columns) as [keyof UsageTotals, string][]
const names = entries.map(([, column]) => column)

/** SQL of what every table of usage counts; the order is that of `countsOf`. */
export const usageSql = {
  declared: names.map((column) => `${column} INTEGER NOT NULL`).join(', '),
  names: names.join(', '),
  marks: names.map(() => '?').join(', '),
  /** For `ON CONFLICT DO UPDATE SET`. */
  added: names.map((column) => `${column} = ${column} + excluded.${column}`).join(', '),
  summed: names.map((column) => `sum(${column})`).join(', '),
  /** As the fields of `UsageTotals`. */
  read: entries.map(([field, column]) => `${column} AS ${field}`).join(', '),
  readSummed: entries.map(([field, column]) => `sum(${column}) AS ${field}`).join(', '),
} as const

/** The values of a row. */
export function countsOf(totals: UsageTotals): number[] {
  return entries.map(([field]) => totals[field])
}
