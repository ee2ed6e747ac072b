import type { Route } from '../config/types.ts'
import { dropOldest } from '../drop-oldest.ts'
import type { KeyPrincipal } from '../key/principal.ts'
import { isSlots } from './counter/lease-terms.ts'
import { limitKind } from './kinds/kinds.ts'
import { accountCounter, keyCounter, routeCounter, type AppliedLimit, type LimitSpec } from './spec.ts'

/** The limits that hold for a key on a route, by when they are taken. */
export interface AppliedLimits {
  /** Taken before the request is looked at: requests, and slots of requests. */
  readonly admission: readonly AppliedLimit[]
  /** Taken once an LLM request is known: tokens, money, and slots of streams. */
  readonly reservation: readonly AppliedLimit[]
  /** Both. */
  readonly all: readonly AppliedLimit[]
}

/** Limits of the key, of its account and of the route. */
function appliedLimits(
  { keyId, limits }: Pick<KeyPrincipal, 'keyId' | 'limits'>,
  accountLimits: readonly LimitSpec[],
  route: Pick<Route, 'id' | 'limits'>,
): AppliedLimits {
  const all: readonly AppliedLimit[] = [
    ...limits.map((spec) => ({ counter: keyCounter(keyId, spec.name), spec, level: 'key' as const })),
    ...accountLimits.map((spec) => ({ counter: accountCounter(spec.name), spec, level: 'account' as const })),
    ...limitsOfRoute(route, keyId),
  ]
  return {
    admission: all.filter(atAdmission),
    reservation: all.filter((limit) => !atAdmission(limit)),
    all,
  }
}

/** A route's own limits that are taken before a request is looked at. */
export function routeAdmission(route: Pick<Route, 'id' | 'limits'>, keyId: string): readonly AppliedLimit[] {
  return limitsOfRoute(route, keyId).filter(atAdmission)
}

/** Whether a limit is on what is under way at the same time. */
export function isOnSlots({ spec }: AppliedLimit): boolean {
  return isSlots(spec)
}

/** Of these limits, the counters of those on what is under way at the same time. */
export function slotCounters(limits: readonly AppliedLimit[]): readonly string[] {
  return limits.filter(isOnSlots).map(({ counter }) => counter)
}

function limitsOfRoute(route: Pick<Route, 'id' | 'limits'>, keyId: string): readonly AppliedLimit[] {
  return route.limits.map(({ per, spec }) => ({
    counter: routeCounter(route.id, per === 'key' ? keyId : null, spec.name),
    spec,
    level: 'route' as const,
  }))
}

function atAdmission({ spec }: AppliedLimit): boolean {
  return limitKind(spec.kind).taken === 'admission'
}

const keysMax = 1_000

interface OfKey {
  readonly keyLimits: readonly LimitSpec[]
  readonly accountLimits: readonly LimitSpec[]
  readonly byRoute: WeakMap<object, AppliedLimits>
}

/** The limits that hold for the keys of an account, worked out once; bounded, the oldest key goes first. */
export class AppliedLimitsCache {
  readonly #keys = new Map<string, OfKey>()

  /** Of an account whose limits are an array that is the same until they change; so are those of a key, and a route. */
  of(
    principal: Pick<KeyPrincipal, 'keyId' | 'limits'>,
    accountLimits: readonly LimitSpec[],
    route: Pick<Route, 'id' | 'limits'>,
  ): AppliedLimits {
    const { byRoute } = this.#ofKey(principal, accountLimits)
    const known = byRoute.get(route)
    if (known !== undefined) return known
    const applied = appliedLimits(principal, accountLimits, route)
    byRoute.set(route, applied)
    return applied
  }

  #ofKey(
    { keyId, limits }: Pick<KeyPrincipal, 'keyId' | 'limits'>,
    accountLimits: readonly LimitSpec[],
  ): OfKey {
    const known = this.#keys.get(keyId)
    if (known !== undefined && known.keyLimits === limits && known.accountLimits === accountLimits)
      return known
    const made: OfKey = { keyLimits: limits, accountLimits, byRoute: new WeakMap() }
    this.#keys.delete(keyId)
    this.#keys.set(keyId, made)
    dropOldest(this.#keys, keysMax)
    return made
  }
}
