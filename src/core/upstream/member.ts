import type { Target, Upstream } from '../config/types.ts'
import { FirstByteTimes } from './first-byte.ts'
import { Health } from './health.ts'
import { targetKey } from './hints.ts'
import { Slots } from './slots.ts'
import { hashText } from './sticky.ts'

/** A target of a pool, and what this isolate knows of it. */
export class Member {
  readonly target: Target
  readonly health: Health
  readonly slots: Slots
  readonly times = new FirstByteTimes()
  readonly hash: number
  /** Its name among isolates. */
  readonly key: string
  /** Until when a check from the side is on its way. */
  checkingUntilMs = -Infinity

  constructor(target: Target, { health, concurrency }: Upstream) {
    this.target = target
    this.health = new Health(health)
    this.slots = new Slots(concurrency)
    this.hash = hashText(target.id)
    this.key = targetKey(target)
  }

  /** What one more call would wait, weighed: the average first byte times the calls under way (Finagle's load metric). */
  load(nowMs: number): number {
    const { weight } = this.target
    return weight <= 0 ? Infinity : (this.times.averageMs(nowMs) * (this.slots.held + 1)) / weight
  }
}
