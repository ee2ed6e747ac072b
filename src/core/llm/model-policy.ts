import type { ModelPolicy, ModelRules } from '../config/types.ts'
import type { KeyPrincipal } from '../key/principal.ts'
import type { Outcome } from '../outcome.ts'

/** What decides on a request's model: the route's names and rules, and the key's rules. */
export interface ModelChoice {
  readonly route: ModelPolicy
  readonly key: ModelRules | null
  /** What the target calls models, by the name that the route would send. */
  readonly target?: Readonly<Record<string, string>>
}

/** What decides on the models of whoever is asking, on a route. */
export function modelChoice(
  route: ModelPolicy,
  principal: KeyPrincipal | { readonly kind: 'anonymous' },
): ModelChoice {
  return { route, key: principal.kind === 'key' ? principal.models : null }
}

/**
 * The model the upstream gets for the one a client asks for: the route's override, or what an alias stands for, or the
 * name itself; each by the target's own name for it. Rules are about that name, so that no alias leads around them.
 *
 * @param asked null where the request names none; only an override then gives one
 * @returns null to name no model; refusal `model_not_allowed`
 */
export function chooseModel(
  asked: string | null,
  { route, key, target }: ModelChoice,
): Outcome<string | null> {
  const alias = asked !== null && Object.hasOwn(route.aliases, asked) ? route.aliases[asked] : undefined
  const named = route.override ?? alias ?? asked
  const own = target !== undefined && named !== null && Object.hasOwn(target, named) ? target[named] : null
  const model = own ?? named
  if (model === null || isAllowed(model, { route, key })) return model
  return { refused: 'model_not_allowed', model: asked ?? model }
}

/** Whether a request that runs a model has to name it: an upstream's own choice could be one the rules forbid. */
export function mustNameModel({ route, key }: ModelChoice): boolean {
  return hasRules(route) || (key !== null && hasRules(key))
}

/** Whether the rules of route and key let a model be used, by the upstream's name for it. */
export function isAllowed(model: string, { route, key }: ModelChoice): boolean {
  return permits(route, model) && (key === null || permits(key, model))
}

/** Whether anything at all is said about models, so that a request whose model cannot be read must not pass. */
export function saysAnything({ route, key, target }: ModelChoice): boolean {
  const ofTarget = target !== undefined && Object.keys(target).length > 0
  const names = ofTarget || route.override !== null || Object.keys(route.aliases).length > 0
  return names || hasRules(route) || (key !== null && hasRules(key))
}

function hasRules({ allow, deny }: ModelRules): boolean {
  return allow !== null || deny.length > 0
}

function permits({ allow, deny }: ModelRules, model: string): boolean {
  return (
    (allow === null || allow.some((rule) => covers(rule, model))) && !deny.some((rule) => covers(rule, model))
  )
}

function covers(rule: string, model: string): boolean {
  return rule.endsWith('*') ? model.startsWith(rule.slice(0, -1)) : rule === model
}
