import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BucketLevel } from '../../src/core/limit/counter/bucket-level.ts'

const capacity = 20
const perMs = 0.01

type Step = readonly [
  action: 'wait' | 'give' | 'use' | 'return' | 'claim' | 'settle' | 'recover',
  amount: number,
]

const steps = fc.array(
  fc.tuple(
    fc.constantFrom('wait', 'give', 'use', 'return', 'claim', 'settle', 'recover'),
    fc.integer({ min: 1, max: 12 }),
  ),
  { maxLength: 80 },
)

/** A bucket on which only such things happen as can: no more is used or returned than is out. */
class Driven {
  readonly level = new BucketLevel(capacity, perMs, { level: capacity, atMs: 0 })
  readonly #claims: number[] = []
  #used = 0
  /** Used, of which it is not known that it was: what was lost since is owed. */
  #unknown = 0

  do([action, amount]: Step): void {
    const { level } = this
    const fromOut = Math.min(amount, level.out - this.#unknown)
    if (action === 'wait') level.refill(level.atMs + amount * 100)
    else if (action === 'give') level.give(Math.min(amount, Math.floor(Math.max(0, level.level))))
    else if (action === 'use') this.#use(fromOut)
    else if (action === 'return') level.giveBack(fromOut)
    else if (action === 'claim') this.#claim(fromOut)
    else if (action === 'settle') level.settle(this.#claims.shift() ?? 0, amount)
    else this.#recover()
  }

  get used(): number {
    return this.#used
  }

  #use(amount: number): void {
    this.#used += amount
    this.#unknown += amount
  }

  #claim(amount: number): void {
    this.level.use(amount)
    this.#claims.push(this.level.claim(amount))
  }

  /** All that was used so far becomes known, as if it had been used just now. */
  #recover(): void {
    const back = this.level.recover(this.level.atMs, this.#unknown)
    this.level.giveBack(back)
    this.level.use(this.#unknown - back)
    this.#unknown = 0
  }
}

describe('a bucket with permits out', () => {
  test('never answers for more than its capacity, whatever happens', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const driven = new Driven()
        for (const step of all) {
          driven.do(step)
          expect(driven.level.total).toBeLessThanOrEqual(capacity + 1e-9)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('lets no more be used than its capacity and what flowed in', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const driven = new Driven()
        for (const step of all) driven.do(step)
        expect(driven.used).toBeLessThanOrEqual(capacity + driven.level.atMs * perMs + 1e-9)
      }),
      { numRuns: 2000 },
    )
  })

  test('gives back what was lost while a request was under way, and only that', () => {
    const level = new BucketLevel(1, 0.001, { level: 1, atMs: 0 })
    level.give(1)
    level.refill(400)
    expect(level.level).toBe(0)
    expect(level.recover(100, 1)).toBeCloseTo(0.3, 9)
    expect(level.recover(100, 1)).toBeCloseTo(0, 9)
    expect(level.recover(0, 1)).toBeCloseTo(0.1, 9)
  })
})
