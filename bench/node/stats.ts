/** Statistics of the benches. Pure: randomness comes from a seed. */

/** An estimate and the interval that holds the truth with the stated probability, if only what was resampled varies. */
export interface Estimate {
  readonly value: number
  readonly low: number
  readonly high: number
}

export interface BootstrapOptions {
  readonly seed: number
  /** Default 1,000. */
  readonly resamples?: number
  /** Default 0.95. */
  readonly level?: number
}

/**
 * The q-quantile by linear interpolation between order statistics (Hyndman and Fan, type 7).
 * @throws {RangeError} without values, or with q outside 0 to 1
 */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) throw new RangeError('A quantile needs at least one value.')
  if (!(q >= 0 && q <= 1)) throw new RangeError(`A quantile lies between 0 and 1, not at ${q}.`)
  const sorted = Float64Array.from(values).toSorted()
  const position = (sorted.length - 1) * q
  const below = sorted[Math.floor(position)] ?? Number.NaN
  const above = sorted[Math.ceil(position)] ?? Number.NaN
  return below + (above - below) * (position - Math.floor(position))
}

/** The middle of the values; the mean of the two middle ones when their number is even. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** `later[i] - earlier[i]` for each pair; throws a RangeError when the lengths differ. */
export function pairedDifferences(later: readonly number[], earlier: readonly number[]): number[] {
  if (later.length !== earlier.length) {
    throw new RangeError(
      `Pairs need equally many values on both sides, not ${later.length} and ${earlier.length}.`,
    )
  }
  return later.map((value, index) => value - (earlier[index] ?? Number.NaN))
}

/** Median of the first values over median of the second. */
export function ratioOfMedians(numerators: readonly number[], denominators: readonly number[]): number {
  return median(numerators) / median(denominators)
}

/** A source of numbers in [0, 1) that a 32-bit seed decides (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** A new array with the same values in an order that `random` decides, each order equally likely. */
export function shuffled<T>(values: readonly T[], random: () => number): T[] {
  return values
    .map((value) => ({ value, place: random() }))
    .toSorted((one, other) => one.place - other.place)
    .map(({ value }) => value)
}

/**
 * Percentile interval of a statistic by resampling whole blocks with replacement. What lies close in time is alike, so a
 * round of a run is one block: resampling single values would make the interval too narrow.
 * @throws {RangeError} without blocks
 */
export function blockBootstrap<T>(
  blocks: readonly (readonly T[])[],
  statistic: (sample: readonly T[]) => number,
  options: BootstrapOptions,
): Estimate {
  if (blocks.length === 0) throw new RangeError('A bootstrap needs at least one block.')
  const { seed, resamples = 1_000, level = 0.95 } = options
  const random = randomFrom(seed)
  const estimates: number[] = []
  for (let resample = 0; resample < resamples; resample++) {
    const sample: T[] = []
    for (let drawn = 0; drawn < blocks.length; drawn++) {
      for (const value of blocks[Math.floor(random() * blocks.length)] ?? []) sample.push(value)
    }
    estimates.push(statistic(sample))
  }
  const tail = (1 - level) / 2
  return {
    value: statistic(blocks.flat()),
    low: quantile(estimates, tail),
    high: quantile(estimates, 1 - tail),
  }
}
