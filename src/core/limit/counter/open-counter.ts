import { SlotBook } from '../slots-book.ts'
import type { LimitSpec } from '../spec.ts'
import { Bucket } from './bucket.ts'
import type { Counter, CounterStart } from './counter.ts'
import { isRate, isSlots } from './lease-terms.ts'
import { Window } from './window.ts'

/** The authority's side of a limit. A row that another kind of limit left is no row. */
export function openCounter(spec: LimitSpec, start: CounterStart): Counter {
  if (isRate(spec)) return new Bucket(spec, start)
  if (isSlots(spec)) return new SlotBook(spec, start.row, start)
  return new Window(spec, start)
}
