import type * as book from '../../src/core/limit/permit-book.ts'
import type * as holder from '../../src/core/limit/permit-holder.ts'
import type * as level from '../../src/core/limit/counter/bucket-level.ts'
import type * as row from '../../src/core/limit/counter/bucket-row.ts'
import type * as bucket from '../../src/core/limit/counter/bucket.ts'
import type * as terms from '../../src/core/limit/counter/lease-terms.ts'
import type * as leases from '../../src/core/limit/counter/leases.ts'
import type * as lessee from '../../src/core/limit/counter/permit-lessee.ts'
import type * as charges from '../../src/core/limit/counter/slot-charges.ts'
import type * as counters from '../../src/core/limit/permit-book-counters.ts'
import type * as shape from '../../src/core/limit/counter/window-shape.ts'
import type * as window from '../../src/core/limit/counter/window.ts'
import type { SyncRequest } from '../../src/core/limit/messages.ts'
import type { PlanKind } from '../fuzz/limits-plan.ts'

type Kind = PlanKind | 'reservations'

/** The modules of which mutants replace a part. */
export interface Modules {
  level: typeof level
  row: typeof row
  bucket: typeof bucket
  window: typeof window
  shape: typeof shape
  charges: typeof charges
  leases: typeof leases
  terms: typeof terms
  lessee: typeof lessee
  counters: typeof counters
  book: typeof book
  holder: typeof holder
}

/** One rule of the protocol left out or turned round. */
export interface Mutant {
  readonly name: string
  readonly kind: Kind
  /** Schedules that it may survive of each variant; 1,000 unless said otherwise. */
  readonly schedules?: number
  readonly change: { readonly [M in keyof Modules]?: (actual: Modules[M]) => Partial<Modules[M]> }
}

/** Serves what is known already, as if it were new. */
export const replays = (actual: typeof book): Partial<typeof book> => ({
  PermitBook: class extends actual.PermitBook {
    readonly #last = new Map<string, number>()
    override serve(request: SyncRequest, limits: book.BookLimits, nowMs: number): book.Served {
      const last = this.#last.get(request.isolate) ?? 0
      const seq = request.seq > last ? request.seq : last + 0.001
      this.#last.set(request.isolate, seq)
      return super.serve({ ...request, seq }, limits, nowMs)
    }
  },
})
