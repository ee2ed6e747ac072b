import type { Choice } from '../config/types.ts'
import type { Member } from './member.ts'
import { rendezvousRank, shareOf } from './sticky.ts'

/** What a request brings to the choice of its target. */
export interface Wish {
  /** What a sticky choice goes by, as a hash; null where there is nothing to go by. */
  readonly stickTo: number | null
  /** Draws from [0, 1). */
  readonly fraction: () => number
}

/**
 * One of the members, by the pool's way of choosing. A canary is drawn for its share of the requests, before the others
 * choose among themselves; where only canaries are left, one of them is taken.
 */
export function chooseMember(
  members: readonly Member[],
  choice: Choice,
  wish: Wish,
  nowMs: number,
): Member | undefined {
  if (members.length < 2) return members[0]
  const steady = members.filter(({ target }) => target.canaryShare === null)
  if (steady.length === members.length) return chooseSteady(members, choice, wish, nowMs)
  const drawn = wish.stickTo === null ? wish.fraction() : shareOf(wish.stickTo)
  return drawnCanary(members, drawn) ?? chooseSteady(steady, choice, wish, nowMs) ?? members[0]
}

function drawnCanary(members: readonly Member[], drawn: number): Member | undefined {
  let end = 0
  for (const member of members) {
    end += member.target.canaryShare ?? 0
    if (member.target.canaryShare !== null && drawn < end) return member
  }
  return undefined
}

function chooseSteady(
  members: readonly Member[],
  choice: Choice,
  { stickTo, fraction }: Wish,
  nowMs: number,
): Member | undefined {
  if (members.length < 2 || choice === 'ordered') return members[0]
  if (choice === 'least-loaded') return lessLoaded(members, fraction, nowMs)
  return choice === 'weighted' || stickTo === null ? byWeight(members, fraction()) : stuck(members, stickTo)
}

function byWeight(members: readonly Member[], drawn: number): Member | undefined {
  const total = members.reduce((sum, { target }) => sum + target.weight, 0)
  let left = drawn * total
  for (const member of members) {
    left -= member.target.weight
    if (left < 0) return member
  }
  return members[0]
}

/** Of two that were drawn, the one with less to do: almost as good as the best of all, and no herd runs to that one. */
function lessLoaded(members: readonly Member[], fraction: () => number, nowMs: number): Member | undefined {
  const first = Math.floor(fraction() * members.length)
  const step = 1 + Math.floor(fraction() * (members.length - 1))
  const one = members[first]
  const other = members[(first + step) % members.length]
  if (one === undefined || other === undefined) return one ?? other
  return other.load(nowMs) < one.load(nowMs) ? other : one
}

function stuck(members: readonly Member[], stickTo: number): Member | undefined {
  let best: Member | undefined
  let bestRank = -Infinity
  for (const member of members) {
    const rank = rendezvousRank(stickTo, member.hash, member.target.weight)
    if (rank > bestRank) {
      best = member
      bestRank = rank
    }
  }
  return best
}
