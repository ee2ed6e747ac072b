import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { targets } from '../fuzz/targets.ts'

/** A share of what `npm run fuzz` does. */
const numRuns = 4_000

describe.each(targets)('$name', (target) => {
  test(
    'holds what has to hold for any hostile input, and every kind of case is among them',
    { timeout: 60_000 },
    () => {
      const kinds = new Set<string>()
      const bytes = fc
        .uint8Array({ maxLength: target.bytesMax, size: 'max' })
        .map((each) => target.inputOf(each))
      fc.assert(
        fc.property(bytes, (input) => {
          for (const kind of target.check(input)) kinds.add(kind)
        }),
        { numRuns },
      )
      expect([...kinds]).toEqual(expect.arrayContaining([...target.kinds]))
    },
  )
})
