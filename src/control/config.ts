import { isAdminRefusal } from '../core/key/admin-refusal.ts'
import type { ConfigHistory } from '../ports.ts'
import type { ConfigView } from './api.ts'
import type { ControlHono } from './control-hono.ts'
import { methodNotAllowed, problemResponse } from './problem.ts'

const path = '/_sluice/v1/config'

/** What there is to say of a configuration in force. */
export type ConfigFacts = Omit<ConfigView, 'seen'>

export interface ConfigDeps {
  readonly config: () => ConfigFacts | null
  readonly history: ConfigHistory
}

const none = {
  status: 503,
  code: 'misconfigured',
  title: 'No configuration',
  detail: 'The gateway has no valid configuration; mend it and deploy again.',
}

/** `/config`: the configuration in force and those before it. */
export function addConfig(app: ControlHono, { config, history }: ConfigDeps): void {
  app.get(path, async (c) => {
    const facts = config()
    if (facts === null) return problemResponse(none, c.get('requestId'))
    const seen = await history.note(facts.version, facts.sha256)
    const view: ConfigView = { ...facts, seen: isAdminRefusal(seen) ? null : seen }
    return c.json(view)
  })
  app.all(path, (c) => problemResponse(methodNotAllowed('GET'), c.get('requestId')))
}
