import { isErrorStatus, isFault, readKey } from './directive.ts'
import type { Directive, Fault } from './directive.ts'

/** A behaviour put on a path or a provider mid-run by `POST /__set`; it wins over the request's own directive. */
interface Rule {
  readonly path: string | null
  readonly provider: string | null
  readonly hang: boolean
  /** Before the head of every answer, streams too. */
  readonly latMs: number
  readonly patch: Partial<Directive>
}

export interface Rules {
  /** Takes the body of a `/__set`. A target without any behaviour takes its rule away. */
  readonly set: (body: unknown) => Fault | undefined
  readonly match: (path: string, provider: string) => Rule | undefined
  readonly clear: () => void
}

/** Keeps the rules; of several that match, the one set last holds. */
export function createRules(): Rules {
  let rules: Rule[] = []

  function set(body: unknown): Fault | undefined {
    const rule = readRule(body)
    if (isFault(rule)) return rule
    const others = rules.filter((other) => other.path !== rule.path || other.provider !== rule.provider)
    rules = isEmpty(rule) ? others : [rule, ...others]
    return undefined
  }

  return {
    set,
    match: (path, provider) => rules.find((rule) => applies(rule, path, provider)),
    clear: () => {
      rules = []
    },
  }
}

function readRule(body: unknown): Rule | Fault {
  if (typeof body !== 'object' || body === null) return { fault: '/__set: the body must be a JSON object' }
  const rule = { path: null, provider: null, hang: false, latMs: 0 }
  const patch: Partial<Directive> = {}
  for (const [key, value] of Object.entries(body)) {
    const part = readPart(key, value)
    if (isFault(part)) return part
    Object.assign(rule, part)
    Object.assign(patch, part.patch)
  }
  if (rule.path === null && rule.provider === null) return { fault: '/__set: path or provider is required' }
  return { ...rule, patch }
}

function readPart(key: string, value: unknown): Partial<Rule> | Fault {
  if (typeof value === 'boolean')
    return key === 'hang' ? { hang: value } : readBehaviour(key, value ? '1' : '0')
  if (typeof value === 'number')
    return key === 'status' ? readStatus(value) : readBehaviour(key, String(value))
  if (typeof value !== 'string') return { fault: `/__set: '${key}' must be text, a number or a boolean` }
  return key === 'path' || key === 'provider' ? { [key]: value } : readBehaviour(key, value)
}

function readStatus(status: number): Partial<Rule> | Fault {
  if (!isErrorStatus(status)) return { fault: `/__set: ${status} is not an error status` }
  return { patch: { errShare: 1, errStatus: status } }
}

function readBehaviour(key: string, value: string): Partial<Rule> | Fault {
  const patch = readKey(key, value)
  if (isFault(patch)) return patch
  return key === 'lat' ? { latMs: patch.latMs ?? 0 } : { patch }
}

function isEmpty(rule: Rule): boolean {
  return !rule.hang && rule.latMs === 0 && Object.keys(rule.patch).length === 0
}

function applies(rule: Rule, path: string, provider: string): boolean {
  if (rule.provider !== null && rule.provider !== provider) return false
  if (rule.path === null) return true
  return rule.path.endsWith('*') ? path.startsWith(rule.path.slice(0, -1)) : path === rule.path
}
