/** Random inputs, and the smallest that fails. */
import fc from 'fast-check'

/** @typedef {{ readonly rule: string, readonly input: unknown }} Failure */

/**
 * @typedef {object} Result
 * @property {number} runs
 * @property {Failure | null} failure
 * @property {{ reached: number, corpus: readonly Uint8Array[] } | null} coverage
 */

/**
 * @param {import('../../test/fuzz/targets.ts').Target} target
 * @param {{ runs: number, seconds: number | null, seed: number }} options
 * @returns {Result}
 */
export function runRandom(target, { runs: numRuns, seconds, seed }) {
  const limit = seconds === null ? {} : { interruptAfterTimeLimit: seconds * 1000 }
  const bytes = fc.uint8Array({ maxLength: target.bytesMax, size: 'max' })
  const found = fc.check(
    fc.property(bytes, (each) => void target.check(target.inputOf(each))),
    { numRuns, seed, ...limit },
  )
  const runs = found.numRuns
  const smallest = found.counterexample?.[0]
  if (!found.failed || smallest === undefined) return { runs, failure: null, coverage: null }
  return { runs, failure: failureOf(target, smallest), coverage: null }
}

/**
 * The failure that these bytes bring about, or null.
 * @param {import('../../test/fuzz/targets.ts').Target} target
 * @param {Uint8Array} bytes
 * @returns {Failure | null}
 */
export function failureOf(target, bytes) {
  const input = target.inputOf(bytes)
  try {
    target.check(input)
    return null
  } catch (error) {
    return { rule: /** @type {Error} */ (error).message, input }
  }
}
