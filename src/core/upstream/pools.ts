import type { Upstream } from '../config/types.ts'
import { heardAt, HintBoard, hintMs, hintsMax, type TargetHint } from './hints.ts'
import { Pool } from './pool.ts'
import { checksMax, checksOf, type TargetCheck } from './target-check.ts'

/** For how long after its last request an upstream counts as in use. Milliseconds. */
const usedForMs = 300_000

/**
 * The pools of an isolate. A pool goes with the configuration it was made for. What is said to others of targets, and
 * heard of them, goes through here; it travels with messages that are sent anyway.
 */
export class Pools {
  readonly #pools = new WeakMap<Upstream, Pool>()
  /** Those that were used lately. */
  readonly #used = new Set<Pool>()
  readonly #board = new HintBoard()

  of(upstream: Upstream, nowMs: number): Pool {
    const pool = this.#pools.get(upstream) ?? this.#make(upstream, nowMs)
    pool.usedMs = nowMs
    this.#used.add(pool)
    return pool
  }

  /** Targets that this isolate has taken out a moment ago, for others; those that went out last come first. */
  outNow(nowMs: number): readonly TargetHint[] {
    const out: TargetHint[] = []
    for (const pool of this.#inUse(nowMs)) {
      for (const { key, health } of pool.members) {
        const agoMs = health.outSinceMs === null ? Infinity : Math.max(0, nowMs - health.outSinceMs)
        if (agoMs < hintMs) out.push({ target: key, state: 'out', agoMs, forMs: hintMs - agoMs })
      }
    }
    return out.toSorted((one, other) => one.agoMs - other.agoMs).slice(0, hintsMax)
  }

  /** The checks without traffic that upstreams in use ask for. */
  checksWanted(nowMs: number): readonly TargetCheck[] {
    return this.#inUse(nowMs)
      .flatMap(({ upstream }) => checksOf(upstream))
      .slice(0, checksMax)
  }

  /**
   * Takes in what others have found out about targets, also of upstreams that nobody has used here yet.
   * @param saidMs when they were asked for
   */
  hear(hints: readonly TargetHint[], saidMs: number, nowMs: number): void {
    for (const hint of hints) {
      const heard = heardAt({ ...hint, forMs: Math.min(hint.forMs, hintMs) }, saidMs)
      this.#board.note(hint.target, heard)
      for (const pool of this.#used) pool.hear(hint.target, heard, nowMs)
    }
  }

  #make(upstream: Upstream, nowMs: number): Pool {
    const pool = new Pool(upstream, nowMs)
    for (const { key } of pool.members) {
      const heard = this.#board.get(key, nowMs)
      if (heard !== null) pool.hear(key, heard, nowMs)
    }
    this.#pools.set(upstream, pool)
    return pool
  }

  #inUse(nowMs: number): readonly Pool[] {
    for (const pool of this.#used) if (nowMs - pool.usedMs >= usedForMs) this.#used.delete(pool)
    return [...this.#used]
  }
}
