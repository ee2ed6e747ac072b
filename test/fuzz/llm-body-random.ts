import { randomFrom } from '../../bench/node/stats.ts'

/** A source of choices that repeats itself for the same seed. */
export class Choices {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = randomFrom(seed)
  }

  /** A whole number from 0 to `count - 1`. */
  below(count: number): number {
    return Math.floor(this.#random() * count)
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T
  }

  /** True once in `often` times. */
  rarely(often: number): boolean {
    return this.below(often) === 0
  }
}
