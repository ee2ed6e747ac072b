const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

const imfFixdate =
  /^(?:mon|tue|wed|thu|fri|sat|sun), (?<day>\d{2}) (?<month>[a-z]{3}) (?<year>\d{4}) (?<hour>\d{2}):(?<minute>\d{2}):(?<second>\d{2}) gmt$/
const rfc850 =
  /^(?:mon|tues|wednes|thurs|fri|satur|sun)day, (?<day>\d{2})-(?<month>[a-z]{3})-(?<year>\d{2}) (?<hour>\d{2}):(?<minute>\d{2}):(?<second>\d{2}) gmt$/
const asctime =
  /^(?:mon|tue|wed|thu|fri|sat|sun) (?<month>[a-z]{3}) (?<day>[ \d]\d) (?<hour>\d{2}):(?<minute>\d{2}):(?<second>\d{2}) (?<year>\d{4})$/

const halfCenturyMs = 50 * 365.25 * 86_400_000

type Parts = Readonly<Record<string, string>>

/**
 * An HTTP-date (RFC 9110 §5.6.7): the preferred form and the two obsolete ones, letters in any case, nothing else.
 * @param nowMs settles which century a year of two digits means: none more than 50 years ahead
 * @returns milliseconds since the epoch, or null
 */
export function parseHttpDate(text: string | null, nowMs: number): number | null {
  if (text === null || text.length > 40) return null
  const lower = text.trim().toLowerCase()
  const whole = (imfFixdate.exec(lower) ?? asctime.exec(lower))?.groups
  if (whole !== undefined) return instant(whole, Number(whole['year']))
  const short = rfc850.exec(lower)?.groups
  return short === undefined ? null : nearest(short, nowMs)
}

function nearest(parts: Parts, nowMs: number): number | null {
  const year = Math.floor(new Date(nowMs).getUTCFullYear() / 100) * 100 + Number(parts['year'])
  const late = instant(parts, year)
  return late === null || late - nowMs <= halfCenturyMs ? late : instant(parts, year - 100)
}

function instant(parts: Parts, year: number): number | null {
  const month = months.indexOf(parts['month'] ?? '')
  const [day = 0, hour = 0, minute = 0, second = 0] = ['day', 'hour', 'minute', 'second'].map((name) =>
    Number(parts[name]),
  )
  if (month < 0 || hour > 23 || minute > 59 || second > 60) return null
  const ms = Date.UTC(year, month, day, hour, minute, second)
  // A day that its month does not have would roll over into the next one.
  return new Date(ms - second * 1000).getUTCDate() === day ? ms : null
}
