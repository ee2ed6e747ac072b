import type { Ending } from '../stream/ending.ts'
import type { HealthReport } from './health.ts'
import type { Member } from './member.ts'
import type { Slot } from './slots.ts'

/** A failure counts in a target's average as at least this, so that one that fails fast does not look fast. */
const failureMs = 1_000

/** One call under way: the place it holds, and what it teaches about its target. */
export class HeldCall {
  readonly member: Member
  readonly #slot: Slot
  readonly #untilEnd: boolean
  #report: HealthReport | null = null

  /** @param untilEnd whether the place is held until the answer has ended */
  constructor(member: Member, slot: Slot, untilEnd: boolean) {
    this.member = member
    this.#slot = slot
    this.#untilEnd = untilEnd
  }

  /**
   * Notes what came back up to the headers.
   * @param tookMs time to the first byte; null where it says nothing about the target
   */
  headers(report: HealthReport, tookMs: number | null, nowMs: number): void {
    this.#report = report
    const { health, times } = this.member
    health.report(report, nowMs)
    if (report === 'answered' && tookMs !== null) {
      times.observe(tookMs, nowMs)
      times.record(tookMs)
    }
    if (report === 'failed' || report === 'unanswered') times.observe(Math.max(tookMs ?? 0, failureMs), nowMs)
    if (!this.#untilEnd || report !== 'answered') this.#slot.release()
  }

  /** Notes how the answer ended that was passed on. */
  end(ending: Ending, nowMs: number): void {
    this.#slot.release()
    if (this.#report !== 'answered') return
    if (ending === 'complete') this.member.health.reportEnd(true, nowMs)
    if (ending === 'upstream_failed' || ending === 'idle_timeout') this.member.health.reportEnd(false, nowMs)
  }

  /** Gives the place back without a word about the target. */
  drop(nowMs: number): void {
    this.#slot.release()
    if (this.#report === null) this.member.health.report('ignored', nowMs)
  }
}
