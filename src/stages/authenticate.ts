import type { Route } from '../core/config/types.ts'
import { judgeKey } from '../core/key/judge.ts'
import { presentedKey } from '../core/key/presented.ts'
import { isRefusal, type Awaitable, type Outcome } from '../core/outcome.ts'
import type { Clock, Exchange, KeySource, KnownKey, Principal } from '../ports.ts'

export interface AuthenticateDeps {
  readonly keys: KeySource
  readonly clock: Clock
}

const anonymous: Principal = { kind: 'anonymous' }

/**
 * Says who is asking. A key in memory is judged with no promise. A route with optional keys takes none for an answer,
 * but a key that is sent has to be good.
 * @returns refusals `key_missing`, `key_invalid`, `key_conflict`, `keys_unavailable`, `keys_not_configured`,
 *   `flooded`
 */
export function authenticate(
  x: Exchange,
  route: Route,
  deps: AuthenticateDeps,
): Awaitable<Outcome<Principal>> {
  if (route.auth === 'none') return anonymous
  const presented = presentedKey(x.request.headers, x.target.query, route)
  if (presented === null) return route.auth === 'optional' ? anonymous : { refused: 'key_missing' }
  if (typeof presented === 'object') return presented
  const found = deps.keys.find(presented, route, x)
  return found instanceof Promise ? found.then((late) => judge(x, late, deps)) : judge(x, found, deps)
}

/** A revoked or expired key is still named in the record of the request. */
function judge(x: Exchange, found: Outcome<KnownKey>, { clock }: AuthenticateDeps): Outcome<Principal> {
  if (isRefusal(found)) return found
  const { record, prepaid } = found
  x.facts.account = record.account
  x.facts.keyId = record.id
  const principal = judgeKey(record, clock.nowMs())
  return isRefusal(principal) ? principal : { ...principal, prepaid }
}
