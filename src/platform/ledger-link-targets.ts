import type { SyncReply, SyncRequest } from '../core/limit/messages.ts'
import type { Pools } from '../core/upstream/pools.ts'

/** How often a Ledger is told which targets are to be checked without traffic. Milliseconds. */
const checksEveryMs = 120_000

/** What an isolate and a Ledger say to each other of targets, in messages that are sent in any case. */
export class LinkTargets {
  readonly #pools: Pools
  /** When the checks were last told and heard. */
  #checksMs = -Infinity
  #checksInMessage = false

  constructor(pools: Pools) {
    this.#pools = pools
  }

  /** The part of the next message. */
  telling(nowMs: number): Pick<SyncRequest, 'hints' | 'checks'> {
    const hints = this.#pools.outNow(nowMs)
    const checks = nowMs - this.#checksMs >= checksEveryMs ? this.#pools.checksWanted(nowMs) : []
    this.#checksInMessage = checks.length > 0
    return { ...(hints.length > 0 && { hints }), ...(checks.length > 0 && { checks }) }
  }

  /** Takes in a reply. @param sentMs when its message was sent */
  hear({ hints = [] }: Pick<SyncReply, 'hints'>, sentMs: number, nowMs: number): void {
    if (this.#checksInMessage) this.#checksMs = sentMs
    this.#checksInMessage = false
    this.#pools.hear(hints, sentMs, nowMs)
  }
}
