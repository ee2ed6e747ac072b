import type { GatewaySettings, Route } from '../core/config/types.ts'
import { dropOldest } from '../core/drop-oldest.ts'
import { equalText } from '../core/key/constant-time.ts'
import type { HeldKey, KeyCache } from '../core/key/key-cache.ts'
import { judgeKey } from '../core/key/judge.ts'
import type { KeyRing } from '../core/key/key-ring.ts'
import { keyTextLengthMax } from '../core/key/key-text.ts'
import { routeAdmission, slotCounters } from '../core/limit/applied-limits.ts'
import type { Ask } from '../core/limit/permit-holder.ts'
import { isRefusal, type Awaitable, type Outcome } from '../core/outcome.ts'
import type { Refusal } from '../core/refusal.ts'
import { within } from '../core/within.ts'
import type { Clock, Digest, Exchange, KeySource, KnownKey, Scope, Shield } from '../ports.ts'
import { genuineKey, KeyProjection, type GenuineKey, type Projected } from './key-lookup.ts'
import type { Heard } from './ledger-link-waiter.ts'
import type { LedgerLink } from './ledger-link.ts'
import type { LedgerLinks } from './ledger-links.ts'

export interface KeySourceDeps {
  readonly kv: Pick<KVNamespace, 'get'>
  readonly links: LedgerLinks
  /** Its records are overridden by what the links hear. */
  readonly cache: KeyCache
  /** Null when the Worker has none. */
  readonly ring: KeyRing | null
  readonly shield: Shield
  /** Of the configuration in force; null without one. */
  readonly settings: () => GatewaySettings | null
  readonly digest: Digest
  readonly clock: Clock
}

/** How old what KV said of a known key may become while the Ledger fails. Milliseconds. */
const projectionMs = 10_000

/** What the Ledger has said of a key. */
interface Asked {
  readonly link: LedgerLink
  readonly key: GenuineKey
  readonly route: Route
  readonly x: Exchange
  readonly heard: Heard
  readonly readAtMs: number
}

/** How long the answer of a shield is waited for that another request has asked. Milliseconds. */
const verdictMs = 250
const verdictsMax = 1_000

const invalid: Refusal = { refused: 'key_invalid' }
const notConfigured: Refusal = { refused: 'keys_not_configured' }
const unavailable: Refusal = { refused: 'keys_unavailable', retryAfterMs: 1_000 }
/** The period of the rate-limit binding. */
const flooded: Refusal = { refused: 'flooded', retryAfterMs: 10_000 }

/**
 * The keys an isolate knows, each as good as the lease of its account; and KV and the account's Ledger behind them. See
 * `docs/keys.md` for what happens when one of these fails.
 */
export function createKeySource(deps: KeySourceDeps): KeySource {
  const { ring } = deps
  return ring === null ? unconfigured : new IsolateKeys(deps, ring)
}

const unconfigured: KeySource = { find: () => notConfigured }

class IsolateKeys implements KeySource {
  readonly #deps: KeySourceDeps
  readonly #ring: KeyRing
  readonly #projection: KeyProjection
  /** What the shield says of keys that are being looked up. */
  readonly #verdicts = new Map<string, Promise<boolean>>()

  constructor(deps: KeySourceDeps, ring: KeyRing) {
    this.#deps = deps
    this.#ring = ring
    this.#projection = new KeyProjection(deps.kv, deps.clock)
  }

  find(presented: string, route: Route, x: Exchange): Awaitable<Outcome<KnownKey>> {
    if (presented.length > keyTextLengthMax) return invalid
    const { cache, links, clock } = this.#deps
    const nowMs = clock.nowMs()
    const held = cache.get(presented, nowMs)
    if (held === 'unknown') return invalid
    if (held === null) return this.#findCold(presented, route, x)
    const { record } = held
    // Revoked is for good.
    if (record.state === 'revoked') return { record, prepaid: null }
    const link = links.of(record.account)
    if (!record.strict && held.term === link.lease.term && link.lease.isFresh(nowMs)) {
      return { record, prepaid: null }
    }
    if (link.isDown(nowMs)) return this.#goOn(presented, held, link, x)
    return this.#askAgain(presented, held, { link, route, x })
  }

  /** A forged key is found out here, with no I/O: it does not use up what its address may ask. */
  async #findCold(presented: string, route: Route, x: Exchange): Promise<Outcome<KnownKey>> {
    const key = await genuineKey(presented, this.#ring, this.#deps.digest)
    if (key === null) return invalid
    const verdict = this.#verdicts.get(presented)
    if (verdict !== undefined) {
      const allowed = await within(this.#deps.clock, verdictMs, verdict, true)
      return allowed ? this.#lookUp(presented, key, { route, x }) : flooded
    }
    try {
      if (!(await this.#askShield(presented, x))) return flooded
      return await this.#lookUp(presented, key, { route, x })
    } finally {
      this.#verdicts.delete(presented)
    }
  }

  /** One question for all requests that bring the same key while it is being looked up. */
  async #askShield(presented: string, x: Exchange): Promise<boolean> {
    const verdict = Promise.resolve(this.#deps.shield.allows(x))
    this.#verdicts.set(presented, verdict)
    // One whose request has died stays.
    dropOldest(this.#verdicts, verdictsMax)
    return verdict
  }

  async #lookUp(
    presented: string,
    key: GenuineKey,
    { route, x }: { readonly route: Route; readonly x: Exchange },
  ): Promise<Outcome<KnownKey>> {
    const { links, clock } = this.#deps
    const link = links.of(key.account)
    const readAtMs = clock.nowMs()
    const reading = this.#projection.read(key, x)
    if (link.isDown(readAtMs)) link.tend(x)
    else {
      const heard = await link.ask({ key: key.id, ask: needFor(key.id, route, x) }, x)
      if (heard.answered) return this.#believe(presented, { link, key, route, x, heard, readAtMs })
    }
    const projected = await reading
    x.waited('kv', clock.nowMs() - readAtMs)
    return this.#believeKv(presented, { link, key, projected, readAtMs })
  }

  /** What the Ledger said counts, whatever KV says. */
  #believe(presented: string, asked: Asked): Outcome<KnownKey> {
    const { cache, clock } = this.#deps
    const { link, key, heard, readAtMs } = asked
    const { record, term } = heard
    const nowMs = clock.nowMs()
    const isKnown = record !== null && equalText(record.hash, key.hash)
    if (!isKnown || isRefusal(judgeKey(record, nowMs))) link.giveBackSlots(slotsIn(asked), asked.x)
    if (!isKnown) {
      cache.putUnknown(presented, nowMs)
      return invalid
    }
    return known(cache.put(presented, { record, term, readAtMs }), heard)
  }

  /** The Ledger fails. A record of KV that it has overridden before stays overridden. */
  #believeKv(
    presented: string,
    asked: { link: LedgerLink; key: GenuineKey; projected: Projected; readAtMs: number },
  ): Outcome<KnownKey> {
    const { link, key, projected, readAtMs } = asked
    if (projected.kind !== 'record') return unavailable
    if (!equalText(projected.record.hash, key.hash)) return invalid
    const record = link.lease.newest(projected.record)
    const held = this.#deps.cache.put(presented, { record, term: null, readAtMs })
    return this.#graced(held, link)
  }

  /** Asks about a key in memory whose account lease has ended. */
  async #askAgain(
    presented: string,
    held: HeldKey,
    { link, route, x }: { link: LedgerLink; route: Route; x: Exchange },
  ): Promise<Outcome<KnownKey>> {
    const { cache, clock } = this.#deps
    const { id, hash, account } = held.record
    const readAtMs = clock.nowMs()
    const heard = await link.ask({ key: id, ask: needFor(id, route, x) }, x)
    if (heard.answered) {
      return this.#believe(presented, { link, key: { account, id, hash }, route, x, heard, readAtMs })
    }
    const now = cache.get(presented, clock.nowMs())
    return now === null || now === 'unknown' ? unavailable : this.#goOn(presented, now, link, x)
  }

  /** Goes on with a key in memory while the Ledger fails; KV is asked now and then, and nobody waits for it. */
  #goOn(presented: string, held: HeldKey, link: LedgerLink, scope: Scope): Outcome<KnownKey> {
    link.tend(scope)
    const readAtMs = this.#deps.clock.nowMs()
    const graced = this.#graced(held, link)
    if (!isRefusal(graced) && readAtMs - held.readAtMs >= projectionMs) {
      this.#deps.cache.put(presented, { ...held, readAtMs })
      scope.defer(this.#refresh(presented, held, { link, scope, readAtMs }))
    }
    return graced
  }

  async #refresh(
    presented: string,
    { record: { account, id, hash } }: HeldKey,
    { link, scope, readAtMs }: { link: LedgerLink; scope: Scope; readAtMs: number },
  ): Promise<void> {
    const projected = await this.#projection.read({ account, id }, scope)
    this.#believeKv(presented, { link, key: { account, id, hash }, projected, readAtMs })
  }

  /** A strict key has no grace: each of its requests has to be vouched for. */
  #graced(held: HeldKey, link: LedgerLink): Outcome<KnownKey> {
    const { record } = held
    if (record.state === 'revoked') return { record, prepaid: null }
    const nowMs = this.#deps.clock.nowMs()
    const graceMs = this.#deps.settings()?.keyGraceMs ?? 0
    const sinceMs = link.holder.failingSinceMs ?? nowMs
    return !record.strict && nowMs - sinceMs < graceMs ? { record, prepaid: null } : unavailable
  }
}

/** What a request needs to be admitted, as far as it is known before its key is: the Ledger adds the rest. */
function needFor(keyId: string, route: Route, x: Exchange): Ask {
  const applied = routeAdmission(route, keyId)
  return { id: `${x.id}.key`, applied, costs: applied.map(() => 1), key: keyId, reservation: null }
}

/** Slots that were taken for a request together with its key. */
function slotsIn({ key, route, heard }: Asked): readonly string[] {
  const answer = heard.permits?.answer ?? null
  if (answer === null || answer.takes === null) return []
  return slotCounters([...routeAdmission(route, key.id), ...answer.limits])
}

function known({ record }: HeldKey, { permits }: Heard): KnownKey {
  return { record, prepaid: permits?.answer == null ? null : { need: permits.answer } }
}
