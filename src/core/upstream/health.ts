import type { HealthPolicy } from '../config/types.ts'
import type { HeardHint } from './hints.ts'

/**
 * How a call ended as far as the target's health goes. `failed`: it answered with an error of its own; `unanswered`: not
 * at all; `ignored`: this says nothing about the target.
 */
export type HealthReport = 'answered' | 'failed' | 'unanswered' | 'ignored'

/**
 * Whether a target may be called: `well`, `probe` (only by one call at a time, to see whether it is back), `shunned`
 * (only where no other target is left) or `open` (not at all until the time is over).
 */
export type Condition = 'well' | 'probe' | 'shunned' | 'open'

/** Failures in a row after which a target is shunned for a moment, so that a client's own retry goes elsewhere. */
const warningFailures = 2
/** Share of the open time for which it is. */
const warningShare = 0.5

/**
 * The health of one target as one isolate has seen it. Failures in a row, or a share of the calls, take it out: others are
 * preferred, but the last one is still called, since a few requests that a target cannot bear must not cut everyone
 * off. Where the upstream fails fast, calls in a row that got no answer at all open a breaker: nothing gets through, to
 * the last target neither. Either ends by a single probe once the time is over. What others say of the target is no more
 * than a suspicion: it is probed by one call at a time, for some seconds at most.
 */
export class Health {
  readonly #policy: HealthPolicy
  /** Calls in a row that got no good answer, and that got none at all. */
  #failures = 0
  #unanswered = 0
  /** Answers in a row that broke off. */
  #breaks = 0
  #openUntilMs = -Infinity
  #out: 'open' | 'shunned' | null = null
  #outSinceMs = -Infinity
  /** When others last found out anything, and until when the target is suspected for that. */
  #heardMs = -Infinity
  #suspectedUntilMs = -Infinity
  /** When it was last found well from here. */
  #wellMs = -Infinity
  #probeUntilMs = -Infinity
  #restUntilMs = -Infinity
  #warnedUntilMs = -Infinity
  #windowMs = -Infinity
  #calls = 0
  #bad = 0

  constructor(policy: HealthPolicy) {
    this.#policy = policy
  }

  condition(nowMs: number): Condition {
    if (this.#out === null) {
      if (nowMs < this.#restUntilMs || nowMs < this.#warnedUntilMs) return 'shunned'
      if (nowMs >= this.#suspectedUntilMs) return 'well'
      return nowMs >= this.#probeUntilMs ? 'probe' : 'shunned'
    }
    return nowMs >= this.#openUntilMs && nowMs >= this.#probeUntilMs ? 'probe' : this.#out
  }

  /** Whether the breaker is open, so that not even a last target may be called without a probe. */
  get isOpen(): boolean {
    return this.#out === 'open'
  }

  /** Since when it has been out by what was seen from here; null while it is not. Milliseconds since the epoch. */
  get outSinceMs(): number | null {
    return this.#out === null ? null : this.#outSinceMs
  }

  /** Milliseconds until a target that is open may be probed; at least 1. */
  openForMs(nowMs: number): number {
    return Math.max(1, this.#openUntilMs - nowMs, this.#probeUntilMs - nowMs)
  }

  /** Notes that the one probe is on its way; a probe that is never heard of again counts for as long as the open time. */
  beginProbe(nowMs: number): void {
    this.#probeUntilMs = nowMs + this.#policy.openMs
  }

  /** The target asked to be left alone, by `Retry-After` for example. */
  rest(untilMs: number): void {
    this.#restUntilMs = Math.max(this.#restUntilMs, untilMs)
  }

  /**
   * Takes in what others have found out; what was seen from here since then counts for more. A target that is out is well
   * once its time is over, and may be probed at once before that.
   */
  hear({ state, atMs, untilMs }: HeardHint, nowMs: number): void {
    if (atMs < this.#heardMs || untilMs <= nowMs) return
    this.#heardMs = atMs
    if (state === 'out') {
      if (this.#out === null && atMs > this.#wellMs) this.#suspectedUntilMs = untilMs
      return
    }
    this.#endSuspicion()
    if (this.#out === null || atMs <= this.#outSinceMs) return
    if (nowMs >= this.#openUntilMs) this.#recover(nowMs)
    else this.#openUntilMs = nowMs
  }

  /** Notes how a call came out, up to the headers of its answer. */
  report(report: HealthReport, nowMs: number): void {
    if (report === 'ignored') return this.#endProbe()
    this.#count(report !== 'answered', nowMs)
    if (report === 'answered') return this.#recover(nowMs)
    this.#failures += 1
    this.#unanswered = report === 'unanswered' ? this.#unanswered + 1 : 0
    if (this.#failures >= warningFailures) this.#warnedUntilMs = nowMs + this.#policy.openMs * warningShare
    this.#judge(nowMs < this.#suspectedUntilMs ? Infinity : this.#failures, nowMs)
  }

  /** Notes how an answer ended whose headers were good. */
  reportEnd(whole: boolean, nowMs: number): void {
    if (whole) {
      this.#breaks = 0
      return
    }
    this.#breaks += 1
    this.#bad += 1
    this.#judge(this.#breaks, nowMs)
  }

  /** A check from the side found the target well: it may be called again. */
  reinstate(nowMs: number): void {
    this.#openUntilMs = Math.min(this.#openUntilMs, nowMs)
    this.#recover(nowMs)
  }

  #endSuspicion(): void {
    if (this.#suspectedUntilMs === -Infinity) return
    this.#suspectedUntilMs = -Infinity
    if (this.#out === null) this.#endProbe()
  }

  #endProbe(): void {
    this.#probeUntilMs = -Infinity
  }

  /** A good answer ends what failures began; while a target is out, only one that came after its time. */
  #recover(nowMs: number): void {
    this.#failures = 0
    this.#unanswered = 0
    this.#warnedUntilMs = -Infinity
    this.#wellMs = nowMs
    this.#endSuspicion()
    if (this.#out === null || nowMs < this.#openUntilMs) return
    this.#out = null
    this.#breaks = 0
    this.#openUntilMs = -Infinity
    this.#endProbe()
    this.#windowMs = -Infinity
  }

  #count(failed: boolean, nowMs: number): void {
    if (nowMs - this.#windowMs >= this.#policy.windowMs) {
      this.#windowMs = nowMs
      this.#calls = 0
      this.#bad = 0
    }
    this.#calls += 1
    if (failed) this.#bad += 1
  }

  #judge(inARow: number, nowMs: number): void {
    const { failures, failureShare, callsMin, failFast } = this.#policy
    const byShare = this.#calls >= callsMin && this.#bad / this.#calls >= failureShare
    if (failFast && this.#unanswered >= failures) this.#takeOut('open', nowMs)
    else if (inARow >= failures || byShare || this.#out !== null) this.#takeOut('shunned', nowMs)
  }

  #takeOut(out: 'open' | 'shunned', nowMs: number): void {
    // Calls that were under way when it went out say nothing new, and must not keep it out for ever.
    if (this.#out === out && nowMs < this.#openUntilMs) return
    this.#endSuspicion()
    this.#out = out
    this.#outSinceMs = nowMs
    this.#openUntilMs = nowMs + this.#policy.openMs
    this.#endProbe()
  }
}
