/** Longest text that is looked at. */
const textMax = 40

/**
 * How long an answer asks to be left alone: `retry-after-ms` (milliseconds, as LLM providers give it) before
 * `Retry-After` in seconds, fractions too, or as an HTTP date (RFC 9110 §10.2.3).
 *
 * @returns milliseconds from now, at least 0; null where nothing is said that can be read
 */
export function retryAfterMs(headers: Pick<Headers, 'get'>, nowMs: number): number | null {
  const exact = decimal(headers.get('retry-after-ms'))
  if (exact !== null) return exact
  const text = headers.get('retry-after')
  const seconds = decimal(text)
  if (seconds !== null) return seconds * 1000
  if (text === null || text.length > textMax || !/^[A-Za-z]{3}/.test(text)) return null
  const dateMs = Date.parse(text)
  return Number.isNaN(dateMs) ? null : Math.max(0, dateMs - nowMs)
}

function decimal(text: string | null): number | null {
  return text !== null && /^\d{1,10}(\.\d{1,6})?$/.test(text.trim()) ? Number(text) : null
}
