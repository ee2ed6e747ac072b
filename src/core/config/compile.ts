import { priceTable } from '../llm/cost.ts'
import { buildRouteIndex } from '../route/route-index.ts'
import type { ParsedConfig } from './parse.ts'
import type { Snapshot } from './snapshot.ts'

/**
 * Makes of a parsed configuration what an isolate works from: indexed, and frozen all the way down.
 *
 * @param version 0 for the bundled document
 */
export function compileConfig(config: ParsedConfig, version: number): Snapshot {
  const { settings, routes } = config
  const prices = priceTable(config.prices)
  const caches = routes.some((route) => route.cache !== null)
  return deepFreeze({ version, settings, routes, index: buildRouteIndex(routes), prices, caches })
}

/** Freezes an object and what its properties hold. Maps are frozen as objects; their types let nobody write to them. */
function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const child of Object.values(value)) deepFreeze(child as unknown)
  return value
}
