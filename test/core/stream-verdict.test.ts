import { expect, it } from 'vitest'
import type { Ending } from '../../src/core/stream/ending.ts'
import { verdict, type StreamFacts } from '../../src/core/stream/verdict.ts'

type Row = readonly [
  StreamFacts['cut'],
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
  ['limit_reached', 'stays', 'open', 'limit_reached'],
  ['limit_reached', 'stays', 'ended', 'limit_reached'],
  ['limit_reached', 'stays', 'failed', 'limit_reached'],
  ['limit_reached', 'left', 'open', 'limit_reached'],
  ['limit_reached', 'left', 'ended', 'limit_reached'],
  ['limit_reached', 'left', 'failed', 'limit_reached'],
  ['stopped', 'stays', 'open', 'stopped'],
  ['stopped', 'stays', 'ended', 'stopped'],
  ['stopped', 'stays', 'failed', 'stopped'],
  ['stopped', 'left', 'open', 'stopped'],
  ['stopped', 'left', 'ended', 'stopped'],
  ['stopped', 'left', 'failed', 'stopped'],
]

it.each(table)(
  'a body cut by %s, whose client %s and whose upstream is %s: %s',
  (cut, leaves, upstream, ending) => {
    expect(verdict({ cut, clientLeft: leaves === 'left', upstream })).toBe(ending)
  },
)

it('the table has every combination once', () => {
  expect(new Set(table.map((row) => row.slice(0, 3).join())).size).toBe(5 * 2 * 3)
})
