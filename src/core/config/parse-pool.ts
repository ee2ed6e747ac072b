import { defaultConcurrency, defaultHealth, defaultHedgeShare, defaultRetries } from './defaults.ts'
import { milliseconds } from './parse-target.ts'
import { type Fields, optional, optionalOrNull, type Place, readFields } from './place.ts'
import { flag, integerBetween, numberBetween, oneOf, share } from './readers.ts'
import type { ConcurrencyPolicy, HealthPolicy, RetryPolicy, Upstream } from './types.ts'

const retryFields = Object.keys(defaultRetries)
const healthFields = Object.keys(defaultHealth)
const concurrencyFields = Object.keys(defaultConcurrency)

/** How often a target may be asked without traffic. Milliseconds. */
export const checkEveryRange = { min: 1_000, max: 3_600_000 } as const

const retriesMax = 10
const placesMax = 10_000

/** How the targets of an upstream are used; what is left out has its default. */
export function parsePool(field: Fields): Omit<Upstream, 'name' | 'targets'> {
  return {
    choose: optional(
      field('choose'),
      oneOf('ordered', 'weighted', 'least-loaded', 'sticky-key', 'sticky-prefix'),
      'ordered',
    ),
    retries: parseRetries(field('retries')),
    health: parseHealth(field('health')),
    concurrency: parseConcurrency(field('concurrency')),
    hedgeShare: optional(field('hedgeShare'), share, defaultHedgeShare),
  }
}

function parseRetries(place: Place): RetryPolicy {
  const field = place.value === undefined ? undefined : readFields(place, retryFields)
  if (field === undefined) return defaultRetries
  return {
    max: optional(field('max'), integerBetween(0, retriesMax), defaultRetries.max),
    baseMs: optional(field('baseMs'), milliseconds, defaultRetries.baseMs),
    capMs: optional(field('capMs'), milliseconds, defaultRetries.capMs),
    retryAfterMsMax: optional(field('retryAfterMsMax'), milliseconds, defaultRetries.retryAfterMsMax),
    deadlineMs: optionalOrNull(field('deadlineMs'), milliseconds),
    budgetShare: optional(field('budgetShare'), share, defaultRetries.budgetShare),
    minPerSecond: optional(field('minPerSecond'), numberBetween(0, 1_000), defaultRetries.minPerSecond),
  }
}

function parseHealth(place: Place): HealthPolicy {
  const field = place.value === undefined ? undefined : readFields(place, healthFields)
  if (field === undefined) return defaultHealth
  return {
    failures: optional(field('failures'), integerBetween(1, 1_000_000), defaultHealth.failures),
    failureShare: optional(field('failureShare'), numberBetween(0.01, 1), defaultHealth.failureShare),
    callsMin: optional(field('callsMin'), integerBetween(1, 1_000_000), defaultHealth.callsMin),
    windowMs: optional(field('windowMs'), milliseconds, defaultHealth.windowMs),
    openMs: optional(field('openMs'), milliseconds, defaultHealth.openMs),
    failFast: optional(field('failFast'), flag, defaultHealth.failFast),
    checkEveryMs: optionalOrNull(
      field('checkEveryMs'),
      integerBetween(checkEveryRange.min, checkEveryRange.max),
    ),
  }
}

function parseConcurrency(place: Place): ConcurrencyPolicy {
  const field = place.value === undefined ? undefined : readFields(place, concurrencyFields)
  if (field === undefined) return defaultConcurrency
  return {
    max:
      field('max').value === undefined
        ? defaultConcurrency.max
        : optionalOrNull(field('max'), integerBetween(1, placesMax)),
    until: optional(field('until'), oneOf('headers', 'end'), defaultConcurrency.until),
    queueMax: optional(field('queueMax'), integerBetween(0, placesMax), defaultConcurrency.queueMax),
    queueMs: optional(field('queueMs'), milliseconds, defaultConcurrency.queueMs),
  }
}
