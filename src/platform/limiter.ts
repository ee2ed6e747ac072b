import type { Route } from '../core/config/types.ts'
import { slotCounters, type AppliedLimits } from '../core/limit/applied-limits.ts'
import type { NeedAnswer } from '../core/limit/messages.ts'
import type { Taken } from '../core/limit/permit-holder.ts'
import type { AppliedLimit } from '../core/limit/spec.ts'
import type { Awaitable, Outcome } from '../core/outcome.ts'
import type { Clock, Exchange, Grant, KeyHolder, Limiter } from '../ports.ts'
import type { LedgerLink } from './ledger-link.ts'
import type { LedgerLinks } from './ledger-links.ts'
import { KeyGrant } from './limiter-grant.ts'
import { refusalOf } from './limiter-refusal.ts'
import { unlimitedGrant } from './unlimited.ts'

/** A request at the door. */
export interface Admission {
  readonly link: LedgerLink
  readonly limits: AppliedLimits
  readonly principal: KeyHolder
  readonly route: Route
  readonly x: Exchange
  readonly clock: Clock
}

const unavailable: Taken = { kind: 'unavailable', counter: '' }

/** The limits of keys, of their accounts and of routes, taken from what the account's Ledger has leased. */
export function createLimiter(links: LedgerLinks, clock: Clock): Limiter {
  return {
    admit(principal, route, x) {
      if (principal.kind === 'anonymous') return unlimitedGrant
      const link = links.of(principal.account)
      const limits = link.applied.of(principal, link.lease.limits, route)
      return admit({ link, limits, principal, route, x, clock })
    },
  }
}

function admit(admission: Admission): Awaitable<Outcome<Grant>> {
  const { link, limits, principal, x, clock } = admission
  const need = principal.prepaid?.need ?? null
  if (need !== null && need.takes === null) {
    const { violated, waitMs } = need
    return refusalOf({ kind: 'denied', violated, waitMs }, limits.all, need, link.standing(limits.all))
  }
  const missing = need === null ? limits.admission : limits.admission.filter((limit) => !isPaid(limit, need))
  const costs = missing.map(() => 1)
  const taken = link.holder.take(missing, costs, clock.nowMs())
  if (taken.kind !== 'ask') {
    link.tend(x)
    return decide(admission, missing, taken)
  }
  const ask = { id: `${x.id}.admit`, applied: missing, costs, key: null, reservation: null }
  return link
    .ask({ key: null, ask }, x)
    .then(({ permits }) => decide(admission, missing, permits?.outcome ?? unavailable))
}

function decide(admission: Admission, missing: readonly AppliedLimit[], taken: Taken): Outcome<Grant> {
  const { link, limits, principal } = admission
  const paid = paidSlots(admission, principal.prepaid?.need ?? null)
  if (taken.kind === 'taken') return new KeyGrant(admission, [...paid, ...slotCounters(missing)])
  link.giveBackSlots(paid, admission.x)
  return refusalOf(taken, missing, null, link.standing(limits.all))
}

/** Slots that were taken for the request while its key was looked up. */
function paidSlots({ limits }: Admission, need: NeedAnswer | null): readonly string[] {
  if (need === null || need.takes === null) return []
  const paid = [...limits.admission.filter((limit) => isPaid(limit, need)), ...need.limits]
  return [...new Set(slotCounters(paid))]
}

/** A need names the limits of the route; the Ledger has added those of the key and its account. */
function isPaid({ level, counter }: AppliedLimit, { takes }: NeedAnswer): boolean {
  return level === 'route' || takes?.some((take) => take.counter === counter) === true
}
