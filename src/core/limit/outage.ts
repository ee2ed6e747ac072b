import { doublingMs } from '../doubling.ts'
import { coastMs } from './counter/lease-terms.ts'
import { limitKind } from './kinds/kinds.ts'
import type { LimitSpec } from './spec.ts'

const probes = { baseMs: 500, capMs: 2000 }

/** What a limit does with a request that has no permit when the Ledger has not answered for so long. */
export function afterSilence({ kind, onFailure }: LimitSpec, forMs: number): LimitSpec['onFailure'] {
  return onFailure === 'coast' && forMs > coastMs ? limitKind(kind).afterCoast : onFailure
}

/** Whether the Ledger answers, and when to try it again when it does not. */
export class Outage {
  #sinceMs: number | null = null
  #failures = 0
  #probeMs = 0

  /** Since when it has not answered; null while it does. Milliseconds since the epoch. */
  get sinceMs(): number | null {
    return this.#sinceMs
  }

  failed(nowMs: number): void {
    this.#sinceMs ??= nowMs
    this.#failures += 1
    this.#probeMs = nowMs + doublingMs(this.#failures, probes)
  }

  answered(): void {
    this.#sinceMs = null
    this.#failures = 0
  }

  /** Whether it is time to try again. */
  probeDue(nowMs: number): boolean {
    return this.#sinceMs !== null && nowMs >= this.#probeMs
  }
}
