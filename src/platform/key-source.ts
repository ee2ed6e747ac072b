import { defaultKeyCacheLimits, KeyCache, type KeyCacheLimits } from '../core/key/key-cache.ts'
import type { KeyRecord } from '../core/key/key-record.ts'
import type { KeyRing } from '../core/key/key-ring.ts'
import { keyTextLengthMax } from '../core/key/key-text.ts'
import type { Awaitable, Outcome } from '../core/outcome.ts'
import type { Refusal } from '../core/refusal.ts'
import type { KeySource, Scope } from '../ports.ts'
import { within } from './deadline.ts'
import { lookUpKey, lookupTimes, type KeyLookupDeps } from './key-lookup.ts'

/** One lookup under way in this isolate, on behalf of the request that began it. */
interface Flight {
  readonly outcome: Promise<Outcome<KeyRecord>>
  readonly startedMs: number
}

/** A little longer than the slowest lookup; a flight that is not in by then belongs to a request that died. */
const flightMs = lookupTimes.ledgerAskedAfterMs + lookupTimes.ledgerMs + 50

/** Flights whose request died stay until their key is asked for again; this bounds them. */
const flightsMax = 1_000

const invalid: Refusal = { refused: 'key_invalid' }
const notConfigured: Refusal = { refused: 'keys_not_configured' }
const unavailable: Refusal = { refused: 'keys_unavailable', retryAfterMs: 1_000 }

/**
 * The keys an isolate knows: memory, then KV, then the account's Ledger. See `docs/keys.md` for what happens when one of
 * these fails.
 */
export function createKeySource(
  deps: KeyLookupDeps,
  limits: KeyCacheLimits = defaultKeyCacheLimits,
): KeySource {
  return deps.ring === null ? unconfigured : new IsolateKeys({ ...deps, ring: deps.ring }, limits)
}

const unconfigured: KeySource = { find: () => notConfigured }

class IsolateKeys implements KeySource {
  readonly #deps: KeyLookupDeps & { readonly ring: KeyRing }
  readonly #cache: KeyCache
  readonly #flights = new Map<string, Flight>()

  constructor(deps: KeyLookupDeps & { readonly ring: KeyRing }, limits: KeyCacheLimits) {
    this.#deps = deps
    this.#cache = new KeyCache(limits)
  }

  find(presented: string, scope: Scope): Awaitable<Outcome<KeyRecord>> {
    if (presented.length > keyTextLengthMax) return invalid
    const hit = this.#cache.get(presented, this.#deps.clock.nowMs())
    if (hit === 'unknown') return invalid
    const flight = this.#flightOf(presented)
    if (hit !== null) {
      if (hit.refreshDue && flight === null) void this.#lead(presented, scope, false)
      return hit.record
    }
    return flight === null ? this.#lead(presented, scope, true) : this.#follow(flight, presented, scope)
  }

  /** Begins a lookup that others may share; it is deferred, so that it outlives the request that began it. */
  #lead(presented: string, scope: Scope, awaited: boolean): Promise<Outcome<KeyRecord>> {
    const outcome = this.#read(presented, scope, awaited)
    const flight: Flight = { outcome, startedMs: this.#deps.clock.nowMs() }
    this.#flights.set(presented, flight)
    if (this.#flights.size > flightsMax) this.#dropOldestFlight()
    const landed = outcome.finally(() => {
      if (this.#flights.get(presented) === flight) this.#flights.delete(presented)
    })
    scope.defer(landed)
    return outcome
  }

  /**
   * Waits for another request's lookup, with a timer of its own: a promise whose request has died never settles, or
   * fails, depending on the runtime's version. Then this request reads for itself.
   */
  async #follow(flight: Flight, presented: string, scope: Scope): Promise<Outcome<KeyRecord>> {
    const { clock } = this.#deps
    const startedMs = clock.nowMs()
    const shared = await within(clock, flightMs, flight.outcome, null)
    scope.waited('kv', clock.nowMs() - startedMs)
    return shared ?? this.#read(presented, scope, true)
  }

  async #read(presented: string, scope: Scope, awaited: boolean): Promise<Outcome<KeyRecord>> {
    const { clock } = this.#deps
    const askedAtMs = clock.nowMs()
    const found = await lookUpKey(presented, this.#deps, scope, awaited)
    switch (found.kind) {
      case 'record':
        return this.#cache.put(presented, found.record, askedAtMs)
      case 'forged':
        return invalid
      case 'unknown':
        this.#cache.putUnknown(presented, clock.nowMs())
        return invalid
      case 'unavailable':
        return this.#cache.refreshFailed(presented, clock.nowMs()) ?? unavailable
    }
  }

  #dropOldestFlight(): void {
    const oldest = this.#flights.keys().next()
    if (oldest.done !== true) this.#flights.delete(oldest.value)
  }

  #flightOf(presented: string): Flight | null {
    const flight = this.#flights.get(presented)
    if (flight === undefined) return null
    if (this.#deps.clock.nowMs() - flight.startedMs < flightMs) return flight
    this.#flights.delete(presented)
    return null
  }
}
