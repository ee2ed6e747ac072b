import type { Upstream } from '../config/types.ts'
import type { Onward } from './came-back.ts'
import { chooseMember, type Wish } from './choose.ts'
import type { HeardHint } from './hints.ts'
import { Member } from './member.ts'
import { RetryBudget } from './retry-budget.ts'

/** The target a request goes to first: one with room, one to wait for, or none for so long. */
export type Chosen =
  | { readonly kind: 'free' | 'full'; readonly member: Member }
  | { readonly kind: 'none'; readonly retryAfterMs: number }

/** The target a request goes to next, and whether it has been there. */
export interface Next {
  readonly member: Member
  readonly again: boolean
}

/**
 * An upstream as one isolate sees it: its targets with their health and places, and the one budget for retries. A new
 * configuration begins anew.
 */
export class Pool {
  readonly upstream: Upstream
  readonly members: readonly Member[]
  readonly budget: RetryBudget
  /** When a request last came to it. */
  usedMs: number

  constructor(upstream: Upstream, nowMs: number) {
    this.upstream = upstream
    this.members = upstream.targets.map((target) => new Member(target, upstream))
    this.budget = new RetryBudget(upstream.retries, upstream.hedgeShare, nowMs)
    this.usedMs = nowMs
  }

  /** The target for a request's first attempt. */
  first(wish: Wish, nowMs: number): Chosen {
    const usable = this.#usable(this.members, nowMs)
    if (usable.length === 0) return { kind: 'none', retryAfterMs: this.#openForMs(nowMs) }
    const free = usable.filter(({ slots }) => slots.hasRoom(nowMs))
    const { choose } = this.upstream
    const member = chooseMember(free.length > 0 ? free : usable, choose, wish, nowMs)
    if (member === undefined) return { kind: 'none', retryAfterMs: 1000 }
    return { kind: free.length > 0 ? 'free' : 'full', member }
  }

  /**
   * The target for a request's next attempt: one that it has not been to, else, where that is allowed, one that it has.
   * Nobody waits in a queue a second time, so only targets with room are looked at.
   */
  next(wish: Wish, tried: ReadonlySet<Member>, onward: Onward, nowMs: number): Next | null {
    if (onward === 'nowhere') return null
    const free = this.members.filter(({ slots }) => slots.hasRoom(nowMs))
    for (const again of onward === 'anywhere' ? [false, true] : [false]) {
      const candidates = free.filter((member) => tried.has(member) === again)
      const { choose } = this.upstream
      const member = chooseMember(this.#usable(candidates, nowMs), choose, wish, nowMs)
      if (member !== undefined) return { member, again }
    }
    return null
  }

  /** Takes in what others have found out about a target; one that is not of this pool is nothing to it. */
  hear(target: string, heard: HeardHint, nowMs: number): void {
    for (const { key, health } of this.members) if (key === target) health.hear(heard, nowMs)
  }

  /** Those that are well or to be probed; where there are none, all whose breaker is not open. */
  #usable(members: readonly Member[], nowMs: number): readonly Member[] {
    const preferred = members.filter((member) => isPreferred(member, nowMs))
    if (preferred.length > 0) return preferred
    return members.filter(({ health }) => !health.isOpen)
  }

  #openForMs(nowMs: number): number {
    return Math.min(...this.members.map(({ health }) => health.openForMs(nowMs)), 60_000)
  }
}

/** A target with a check of its own is probed by that, not by a client's request. */
function isPreferred({ health, target }: Member, nowMs: number): boolean {
  const condition = health.condition(nowMs)
  return condition === 'well' || (condition === 'probe' && target.checkPath === null)
}
