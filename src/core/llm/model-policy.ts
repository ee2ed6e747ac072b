import type { ModelPolicy, ModelRules } from '../config/types.ts'
import type { KeyPrincipal } from '../key/principal.ts'
import type { Outcome } from '../outcome.ts'

/** What decides on a request's model: the route's names and rules, and the key's rules. */
export interface ModelChoice {
  readonly route: ModelPolicy
  readonly key: ModelRules | null
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
 * name itself. Rules are about that name, so that no alias leads around them.
 *
 * @param asked null where the request names none; only an override then gives one
 * @returns null to name no model; refusal `model_not_allowed`
 */
export function chooseModel(asked: string | null, { route, key }: ModelChoice): Outcome<string | null> {
  const alias = asked !== null && Object.hasOwn(route.aliases, asked) ? route.aliases[asked] : undefined
  const model = route.override ?? alias ?? asked
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
export function saysAnything({ route, key }: ModelChoice): boolean {
  const names = route.override !== null || Object.keys(route.aliases).length > 0
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
