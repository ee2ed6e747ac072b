import type { ModelPrice, Prices } from '../llm/cost.ts'
import { inMillionths } from './decimals.ts'
import { note, optionalOrNull, type Place, readEntries, readFields, type Reader } from './place.ts'

const pricesMax = 1_000
/** USD for a million tokens. */
const priceMax = 10_000
const nameForm = /^[!-)+-~]{0,255}(?:[!-)+-~]|\*)$/

/**
 * Prices of models, in USD for a million tokens, by model name or by a beginning of names with `*` after it.
 *
 * @returns prices in millionths of what the document says, so that they are whole numbers
 */
export function parsePrices(place: Place): Prices {
  const entries = place.value === undefined ? undefined : readEntries(place)
  if (entries === undefined) return {}
  if (entries.size > pricesMax) note(place, `at most ${pricesMax} prices`, String(entries.size))
  const prices: [string, ModelPrice][] = []
  for (const [name, child] of entries) {
    if (!nameForm.test(name))
      note(child, 'a model name of visible ASCII characters, `*` only at its end', 'another name')
    const price = modelPrice(child)
    if (price !== undefined) prices.push([name, price])
  }
  return Object.fromEntries(prices)
}

const modelPrice: Reader<ModelPrice> = (place) => {
  const field = readFields(place, ['input', 'cachedInput', 'cacheWrite', 'output'])
  if (field === undefined) return undefined
  const input = usdPerMillion(field('input'))
  const output = usdPerMillion(field('output'))
  const cachedInput = optionalOrNull(field('cachedInput'), usdPerMillion)
  const cacheWrite = optionalOrNull(field('cacheWrite'), usdPerMillion)
  if (input === undefined || output === undefined) return undefined
  return { input, cachedInput, cacheWrite, output }
}

const usdPerMillion: Reader<number> = (place) => {
  const micros = inMillionths(place.value)
  if (micros !== null && micros <= priceMax * 1_000_000) return micros
  note(place, `USD for a million tokens: 0 to ${priceMax} with at most 6 decimals`)
  return undefined
}
