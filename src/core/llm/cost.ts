import type { Usage } from './usage.ts'

/** What one token costs, in whole picodollars (10⁻¹² USD): 1 USD for a million tokens is 1,000,000 of them. */
export interface ModelPrice {
  readonly input: number
  /** Input read from the provider's cache; null: like other input. */
  readonly cachedInput: number | null
  /** Input written to the provider's cache; null: like other input. */
  readonly cacheWrite: number | null
  readonly output: number
}

/** Prices by the name of a model, or by how names begin (`gpt-4o*`). */
export type Prices = Readonly<Record<string, ModelPrice>>

/** Prices, ready to be looked up. */
export interface PriceTable {
  readonly exact: ReadonlyMap<string, ModelPrice>
  readonly prefixes: ReadonlyMap<string, ModelPrice>
  /** Lengths of the prefixes, the longest first. */
  readonly prefixLengths: readonly number[]
  /** No model costs more, in no part; null where none has a price. */
  readonly dearest: ModelPrice | null
}

/** Money, or that nobody has set a price for the model. */
export type Cost = { readonly priced: true; readonly microUsd: number } | { readonly priced: false }

const picoPerMicro = 1_000_000n

/** Indexes prices; a name that ends in `*` stands for all names that begin like it. */
export function priceTable(prices: Prices): PriceTable {
  const entries = Object.entries(prices)
  const prefixes = new Map(
    entries.filter(([name]) => name.endsWith('*')).map(([name, price]) => [name.slice(0, -1), price]),
  )
  return {
    exact: new Map(entries.filter(([name]) => !name.endsWith('*'))),
    prefixes,
    prefixLengths: [...new Set([...prefixes.keys()].map(({ length }) => length))].toSorted((a, b) => b - a),
    dearest: dearestOf(Object.values(prices)),
  }
}

function dearestOf(prices: readonly ModelPrice[]): ModelPrice | null {
  if (prices.length === 0) return null
  const most = (part: (price: ModelPrice) => number) => Math.max(...prices.map(part))
  return {
    input: most(({ input }) => input),
    cachedInput: most(({ input, cachedInput }) => cachedInput ?? input),
    cacheWrite: most(({ input, cacheWrite }) => cacheWrite ?? input),
    output: most(({ output }) => output),
  }
}

/** The price of a model: under its whole name, else under the longest beginning of it. */
export function priceOf(model: string, table: PriceTable): ModelPrice | null {
  const exact = table.exact.get(model)
  if (exact !== undefined) return exact
  for (const length of table.prefixLengths) {
    const price = length > model.length ? undefined : table.prefixes.get(model.slice(0, length))
    if (price !== undefined) return price
  }
  return null
}

/**
 * What an exchange cost, in whole micro-dollars. Worked out in integers and rounded up once at the end, so many small
 * exchanges never cost less than one large one.
 *
 * @param model as it was asked for; counts where the upstream's own name for it has no price
 */
export function costOf(usage: Usage, model: string | null, table: PriceTable): Cost {
  const names = [usage.model, model].filter((name) => name !== null)
  const price = names.map((name) => priceOf(name, table)).find((found) => found !== null)
  if (price === undefined) return { priced: false }
  const pico = picoUsd(usage, price)
  return { priced: true, microUsd: Number((pico + picoPerMicro - 1n) / picoPerMicro) }
}

function picoUsd(usage: Usage, price: ModelPrice): bigint {
  const cached = Math.min(usage.cachedInputTokens ?? 0, usage.inputTokens)
  const written = Math.min(usage.cacheWriteTokens ?? 0, usage.inputTokens - cached)
  return (
    amount(usage.inputTokens - cached - written, price.input) +
    amount(cached, price.cachedInput ?? price.input) +
    amount(written, price.cacheWrite ?? price.input) +
    amount(usage.outputTokens, price.output)
  )
}

/** Beyond 2⁵³ products of two numbers are no longer exact. */
function amount(tokens: number, price: number): bigint {
  return BigInt(tokens) * BigInt(price)
}
