import type { Env } from '../env.ts'
import type { Clock, Operation, Readiness, Scope } from '../ports.ts'

const patienceMs = 2000
/** Anyone may ask, so the bindings are not asked for each. */
const rememberedMs = 2000

/** Asks each binding something cheap; an answer holds for two seconds in its isolate. */
export function createReadiness(env: Env, clock: Clock): Readiness {
  let last: { readonly atMs: number; readonly states: Awaited<ReturnType<Readiness['check']>> } | null = null
  return {
    async check(scope) {
      if (last !== null && clock.nowMs() - last.atMs < rememberedMs) return last.states
      const [keys, registry] = await Promise.all([
        probe(scope, 'kv', clock, () => env.KEYS.get('readiness')),
        probe(scope, 'registry', clock, () => env.REGISTRY.getByName('registry').ping()),
      ])
      last = { atMs: clock.nowMs(), states: { keys, registry } }
      return last.states
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
