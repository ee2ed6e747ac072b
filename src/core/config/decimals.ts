const decimalsMax = 6
const decimalForm = /^(\d+)(?:\.(\d{1,6}))?$/

/**
 * A number with at most six decimals in millionths, or null for any other value. Read from the decimal digits: times a
 * million, `0.0375` is no whole number in floating point.
 */
export function inMillionths(value: unknown): number | null {
  const digits = typeof value === 'number' ? decimalForm.exec(String(value)) : null
  if (digits === null) return null
  const millionths = Number(`${digits[1] ?? ''}${(digits[2] ?? '').padEnd(decimalsMax, '0')}`)
  return Number.isSafeInteger(millionths) ? millionths : null
}
