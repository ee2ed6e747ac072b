import type { Target, Upstream } from '../../core/config/types.ts'

/** Whether a request has to be written anew for some of an upstream's targets. */
export function variesByTarget({ targets }: Upstream): boolean {
  const [first] = targets
  return first !== undefined && targets.some((target) => !isAlike(target, first))
}

/** Whether two targets get the same request. */
export function isAlike(one: Target, other: Target): boolean {
  if (one === other) return true
  return one.includeUsage === other.includeUsage && !namesModels(one) && !namesModels(other)
}

function namesModels({ models }: Target): boolean {
  return Object.keys(models).length > 0
}
