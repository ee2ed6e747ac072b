import type { StoredResponse } from '../../core/cache/entry.ts'
import type { CachePlace } from '../../core/cache/place.ts'
import type { GatewaySettings } from '../../core/config/types.ts'
import type { Looked } from '../../stages/lookup/lookup.ts'
import type { Grant, OutboundRequest, Principal, UpstreamAnswer } from '../../ports.ts'
import type { Deps } from '../deps.ts'

/** What every step through the cache needs beside the exchange. */
export interface CacheContext {
  readonly outbound: OutboundRequest
  readonly principal: Principal
  readonly grant: Grant
  readonly settings: GatewaySettings
  readonly place: CachePlace
  readonly deps: Deps
}

/** A stored response that was found. */
export type Found = Extract<Looked, { readonly kind: 'found' }>

/** A stored response and its bytes, where they do not lie apart. */
export interface Held {
  readonly entry: StoredResponse
  readonly bytes: Uint8Array | null
}

/** An answer that is there, and when it was asked for. */
export interface Asked {
  readonly answer: UpstreamAnswer
  readonly requestedMs: number
}
