import { env } from 'cloudflare:workers'
import { createControlApp, type ControlDeps } from '../../../src/control/app.ts'
import { clock } from '../../../src/platform/clock.ts'
import { createConfigHistory } from '../../../src/platform/config-history.ts'
import { digest } from '../../../src/platform/digest.ts'
import { random } from '../../../src/platform/random.ts'
import { realAdmin } from './objects.ts'

export const operatorToken = 'operator-token-of-the-tests'
const base = 'https://gateway.example/_sluice/v1'

/** The admin API over the real Durable Objects; bugs it reports make the test fail through `bugs`. */
export function controlWith(changes: Partial<ControlDeps> = {}, bugs: unknown[] = []) {
  const app = createControlApp({
    operatorToken,
    admin: realAdmin(),
    config: () => ({ version: 0, sha256: 'ab'.repeat(32), routes: 7 }),
    history: createConfigHistory(env.REGISTRY, clock),
    digest,
    random,
    clock,
    recorder: { bug: (_id, error) => bugs.push(error) },
    ...changes,
  })
  /** Sends a request as the operator, unless it says otherwise. */
  const send = (
    method: string,
    path: string,
    init: RequestInit & { json?: unknown } = {},
  ): Promise<Response> => {
    const headers = new Headers(init.headers)
    if (!headers.has('authorization')) headers.set('authorization', `Bearer ${operatorToken}`)
    if (headers.get('authorization') === '') headers.delete('authorization')
    if (init.json === undefined) return app.fetch(new Request(base + path, { method, ...init, headers }))
    headers.set('content-type', 'application/json')
    return app.fetch(new Request(base + path, { method, headers, body: JSON.stringify(init.json) }))
  }
  return { send }
}
