import { Hono } from 'hono'
import { hexOf } from '../core/hex.ts'
import type { Clock, ConfigHistory, Digest, KeyAdmin, Random, Recorder } from '../ports.ts'
import { addAccounts } from './accounts.ts'
import { addAccountLimits } from './account-limits.ts'
import { addConfig, type ConfigFacts } from './config.ts'
import type { ControlHono } from './control-hono.ts'
import { addKeys } from './keys.ts'
import { addPurges } from './purges.ts'
import { hasOperatorToken, isOperator } from './operator.ts'
import { internal, notFound, problemResponse, unauthorized } from './problem.ts'

export interface ControlDeps {
  /** The secret `SLUICE_OPERATOR_TOKEN`; with none of at least 16 characters every path answers 404. */
  readonly operatorToken: string | undefined
  readonly admin: KeyAdmin
  /** The configuration in force in this isolate, or null when there is none. */
  readonly config: () => ConfigFacts | null
  readonly history: ConfigHistory
  readonly digest: Digest
  readonly random: Random
  readonly clock: Clock
  readonly recorder: Pick<Recorder, 'bug'>
}

export interface ControlApp {
  /** Answers one request under `/_sluice/`. Never rejects. */
  fetch(request: Request): Promise<Response>
}

/** The admin API, `/_sluice/v1`. Every answer carries `x-request-id` and `cache-control: no-store`. */
export function createControlApp(deps: ControlDeps): ControlApp {
  const app: ControlHono = new Hono<{ Variables: { requestId: string } }>()
  app.use(async (c, next) => {
    const requestId = hexOf(deps.random.bytes(16))
    c.set('requestId', requestId)
    await next()
    const { headers } = c.res
    headers.set('x-request-id', requestId)
    headers.set('cache-control', 'no-store')
    headers.set('x-content-type-options', 'nosniff')
  })
  app.use(async (c, next) => {
    const { operatorToken, digest } = deps
    if (!hasOperatorToken(operatorToken)) return problemResponse(notFound, c.get('requestId'))
    if (await isOperator(c.req.header('authorization') ?? null, operatorToken, digest)) return next()
    return problemResponse(unauthorized, c.get('requestId'))
  })
  addAccounts(app, deps)
  addAccountLimits(app, deps)
  addKeys(app, deps)
  addPurges(app, deps)
  addConfig(app, deps)
  app.notFound((c) => problemResponse(notFound, c.get('requestId')))
  app.onError((bug, c) => {
    deps.recorder.bug(c.get('requestId'), bug)
    return problemResponse(internal, c.get('requestId'))
  })
  return { fetch: async (request) => app.fetch(request) }
}
