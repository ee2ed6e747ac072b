import { limitKindNames, type LimitSpec } from './spec.ts'

/** What each field must be. */
const shape: { readonly [F in keyof LimitSpec]: (value: unknown) => boolean } = {
  name: (value) => typeof value === 'string',
  kind: isOneOf(limitKindNames),
  max: isCount,
  periodMs: isCountOrNull,
  burst: isCountOrNull,
  calendar: (value) => value === null || value === 'day' || value === 'month',
  durability: isOneOf(['default', 'strict']),
  onFailure: isOneOf(['closed', 'open', 'coast']),
  reserve: isOneOf(['auto', 'p90', 'max', 'slices']),
}
const fields = Object.entries(shape)

/** Whether a value that was stored or sent is a limit. A newer writer may have added fields. */
export function isLimitSpec(value: unknown): value is LimitSpec {
  if (typeof value !== 'object' || value === null) return false
  const from = new Map<string, unknown>(Object.entries(value))
  return fields.every(([name, fits]) => fits(from.get(name)))
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 1
}

function isCountOrNull(value: unknown): boolean {
  return value === null || isCount(value)
}

function isOneOf(words: readonly string[]): (value: unknown) => boolean {
  return (value) => words.some((word) => word === value)
}
