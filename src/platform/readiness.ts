import type { Env } from '../env.ts'
import type { Clock, Operation, Readiness, Scope } from '../ports.ts'

const patienceMs = 2000

/** Asks each binding something cheap. */
export function createReadiness(env: Env, clock: Clock): Readiness {
  return {
    async check(scope) {
      const [keys, registry] = await Promise.all([
        probe(scope, 'kv', clock, () => env.KEYS.get('readiness')),
        probe(scope, 'registry', clock, () => env.REGISTRY.getByName('registry').ping()),
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
  try {
    const answered = await Promise.race([ask().then(() => true), clock.wait(patienceMs)])
    return answered === true ? 'ok' : 'failing'
  } catch {
    return 'failing'
  } finally {
    scope.waited(operation, clock.nowMs() - startedMs)
  }
}
