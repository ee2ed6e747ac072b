import { expect, it } from 'vitest'
import type { Ending } from '../../src/core/stream/ending.ts'
import { verdict, type StreamFacts } from '../../src/core/stream/verdict.ts'

type Row = readonly [
  StreamFacts['expired'],
  leaves: 'stays' | 'left',
  StreamFacts['upstream'],
  ending: Ending | null,
]

/** All that can have happened, and the one ending it is. */
const table: readonly Row[] = [
  [null, 'stays', 'open', null],
  [null, 'stays', 'ended', 'complete'],
  [null, 'stays', 'failed', 'upstream_failed'],
  [null, 'left', 'open', 'client_left'],
  [null, 'left', 'ended', 'client_left'],
  [null, 'left', 'failed', 'client_left'],
  ['idle_timeout', 'stays', 'open', 'idle_timeout'],
  ['idle_timeout', 'stays', 'ended', 'idle_timeout'],
  ['idle_timeout', 'stays', 'failed', 'idle_timeout'],
  ['idle_timeout', 'left', 'open', 'idle_timeout'],
  ['idle_timeout', 'left', 'ended', 'idle_timeout'],
  ['idle_timeout', 'left', 'failed', 'idle_timeout'],
  ['total_timeout', 'stays', 'open', 'total_timeout'],
  ['total_timeout', 'stays', 'ended', 'total_timeout'],
  ['total_timeout', 'stays', 'failed', 'total_timeout'],
  ['total_timeout', 'left', 'open', 'total_timeout'],
  ['total_timeout', 'left', 'ended', 'total_timeout'],
  ['total_timeout', 'left', 'failed', 'total_timeout'],
]

it.each(table)(
  'a body with time %s, whose client %s and whose upstream is %s: %s',
  (expired, leaves, upstream, ending) => {
    expect(verdict({ expired, clientLeft: leaves === 'left', upstream })).toBe(ending)
  },
)

it('the table has every combination once', () => {
  expect(new Set(table.map((row) => row.slice(0, 3).join())).size).toBe(3 * 2 * 3)
})
