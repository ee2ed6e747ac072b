import type { Draw } from './draw.ts'

/** Anything that survives a turn through JSON, so that a failing input can be kept as a file. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

/** A parser under fuzz: how to make hostile inputs for it, and what has to hold for each. */
export interface FuzzTarget<Input, Subject> {
  readonly name: string
  /** Bytes that one input is made of, at most. */
  readonly bytesMax: number
  /** What `check` answers; every kind has to come up within a few thousand inputs. */
  readonly kinds: readonly string[]
  /** The functions under test, so that a test can put faulty ones in their place. */
  readonly subject: Subject
  make(draw: Draw): Input
  /**
   * @returns what kinds of case the input was
   * @throws {Violation} when something does not hold
   */
  check(input: Input, subject: Subject): readonly string[]
}

/** Something that has to hold for every input and does not. */
class Violation extends Error {
  constructor(rule: string, ...seen: readonly unknown[]) {
    super(`${rule}: ${seen.map((each) => JSON.stringify(each) ?? String(each)).join(' ')}`)
    this.name = 'Violation'
  }
}

/** @throws {Violation} when `holds` is false */
export function hold(holds: boolean, rule: string, ...seen: readonly unknown[]): asserts holds {
  if (!holds) throw new Violation(rule, ...seen)
}

/** Whether two JSON-like values are the same, whatever the order of names. */
export function same(left: unknown, right: unknown): boolean {
  return JSON.stringify(sorted(left)) === JSON.stringify(sorted(right))
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((each) => sorted(each))
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return entries.map(([name, child]) => [name, sorted(child)])
}
