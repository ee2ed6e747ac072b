import type { Route } from '../core/config/types.ts'
import type { Awaitable, Outcome } from '../core/outcome.ts'
import type { Exchange, Grant, Limiter, Principal } from '../ports.ts'

/**
 * Takes what the request needs from its limits before anything else is spent on it.
 * @returns refusals of `Limiter.admit`
 */
export function admit(
  x: Exchange,
  principal: Principal,
  route: Route,
  deps: { readonly limiter: Limiter },
): Awaitable<Outcome<Grant>> {
  return deps.limiter.admit(principal, route, x)
}
