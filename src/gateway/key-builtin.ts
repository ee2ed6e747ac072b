import {
  defaultKeySources,
  defaultPool,
  defaultResend,
  defaultRoute,
  defaultStreams,
} from '../core/config/defaults.ts'
import type { Builtin, Route } from '../core/config/types.ts'
import { parseKeyText, publicPart } from '../core/key/key-text.ts'
import { presentedKey } from '../core/key/presented.ts'
import { isRefusal, type Outcome } from '../core/outcome.ts'
import type { Refusal } from '../core/refusal.ts'
import { glmStats } from '../core/usage/glm-stats.ts'
import { reportDaysMax } from '../core/usage/usage-report.ts'
import { daysAsked, viewUsage } from '../core/usage/usage-view.ts'
import type { KeyHolder } from '../ports.ts'
import { admit } from '../stages/admit.ts'
import { authenticate } from '../stages/authenticate.ts'
import { ownAnswer, type Answer } from './answer.ts'
import type { Deps } from './deps.ts'
import type { RequestLife } from './exchange.ts'

/** What the gateway answers about a key to its holder. */
export type KeyBuiltin = Extract<Builtin, 'stats' | 'usage'>

/** Stands for the route that such a request has none of: keys as everywhere, no upstream, no limits of its own. */
const keyRoute: Route = {
  ...defaultRoute,
  id: 'usage',
  path: '/',
  methods: ['GET', 'HEAD'],
  upstream: { name: '', targets: [], ...defaultPool },
  rewrite: null,
  keySources: defaultKeySources,
  keyQuery: null,
  dialect: 'http',
  bodyBytesMax: 0,
  requestHeaders: { remove: [], set: {} },
  responseHeaders: { remove: [], set: {} },
  cors: null,
  models: { aliases: {}, override: null, allow: null, deny: [] },
  streams: defaultStreams,
  resend: defaultResend.http,
  limits: [],
  cache: null,
  llmCache: null,
}

const unknownDays: Refusal = {
  refused: 'malformed_request',
  detail: `The parameter \`days\` must be a whole number from 1 to ${reportDaysMax}; correct it or leave it out.`,
}

/**
 * `GET /stats`, as glm-proxy answers it, and `GET /v1/usage`. The key's holder is let in like on any route: the request
 * counts in limits on requests, and costs nothing else.
 * @returns refusals of authentication and admission, `malformed_request`, `limits_unavailable`
 */
export async function answerKeyBuiltin(
  builtin: KeyBuiltin,
  x: RequestLife,
  deps: Deps,
): Promise<Outcome<Answer>> {
  const principal = await authenticate(x, keyRoute, deps)
  if (isRefusal(principal)) return principal
  const grant = await admit(x, principal, keyRoute, deps)
  if (isRefusal(grant)) return grant
  x.grant = grant
  if (principal.kind === 'anonymous') return { refused: 'key_missing' }
  return builtin === 'stats' ? answerStats(x, principal, deps) : answerUsage(x, principal, deps)
}

async function answerStats(x: RequestLife, holder: KeyHolder, deps: Deps): Promise<Outcome<Answer>> {
  const standing = await deps.usage.standing(holder, x)
  if (isRefusal(standing)) return standing
  const presented = presentedKey(x.request.headers, x.target.query, keyRoute)
  const parts = typeof presented === 'string' ? parseKeyText(presented) : null
  const shown = parts === null ? holder.keyId : publicPart(parts)
  return ownAnswer(200, new Headers(), glmStats(standing, shown, deps.clock.nowMs()))
}

async function answerUsage(x: RequestLife, holder: KeyHolder, deps: Deps): Promise<Outcome<Answer>> {
  const days = daysAsked(x.target.query, deps.clock.nowMs())
  if (days === null) return unknownDays
  const usage = await deps.usage.usage(holder, days, x)
  return isRefusal(usage) ? usage : ownAnswer(200, new Headers(), viewUsage(usage))
}
