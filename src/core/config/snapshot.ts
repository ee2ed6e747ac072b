import type { PriceTable } from '../llm/cost.ts'
import type { RouteIndex } from '../route/route-index.ts'
import type { GatewaySettings, Route } from './types.ts'

/** The compiled, frozen, indexed configuration an isolate works from. */
export interface Snapshot {
  /** 0 is the bundled document. */
  readonly version: number
  readonly settings: GatewaySettings
  readonly routes: readonly Route[]
  readonly index: RouteIndex
  readonly prices: PriceTable
  /** Whether any route caches answers by their URL: then a write has entries to invalidate. */
  readonly caches: boolean
}
