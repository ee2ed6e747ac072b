import { within } from '../core/within.ts'
import type { Env } from '../env.ts'
import type { Clock, Operation, Readiness, Scope } from '../ports.ts'

const patienceMs = 2000

/** Asks each binding something cheap. */
export function createReadiness(env: Env, clock: Clock): Readiness {
  return {
    async check(scope) {
      const [keys, registry] = await Promise.all([
        probe(scope, 'kv', clock, async () => env.KEYS.get('readiness')),
        probe(scope, 'registry', clock, async () => env.REGISTRY.getByName('registry').ping()),
      ])
      return { keys, registry }
    },
  }
}

async function probe(
  scope: Scope,
  operation: Operation,
  clock: Clock,
  ask: () => Promise<unknown>,
): Promise<'ok' | 'failing'> {
  scope.count(operation)
  const startedMs = clock.nowMs()
  const answered = ask().then(() => true)
  const isOk = await within(clock, patienceMs, answered, false)
  scope.waited(operation, clock.nowMs() - startedMs)
  return isOk ? 'ok' : 'failing'
}
