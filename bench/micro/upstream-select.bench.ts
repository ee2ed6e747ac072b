/**
 * A module for `workerd bench`: what a request pays for the choice of its target and the books around it, with the
 * project's own pool: the request noted in the budget, the choice, its place, what came back, the end.
 */
import type { Choice } from '../../src/core/config/types.ts'
import { HeldCall } from '../../src/core/upstream/held-call.ts'
import { Pool } from '../../src/core/upstream/pool.ts'
import { hashText } from '../../src/core/upstream/sticky.ts'
import { randomFrom } from '../node/stats.ts'
import { targetWith, upstreamWith } from '../../test/support/routes.ts'

interface Bench {
  run(name: string, measured: () => unknown): void
  blackBox(value: unknown): void
}

const cases: readonly (readonly [choose: Choice, targets: number])[] = [
  ['ordered', 1],
  ['ordered', 3],
  ['weighted', 3],
  ['least-loaded', 3],
  ['sticky-key', 3],
  ['least-loaded', 10],
  ['sticky-key', 10],
]

function serve(pool: Pool, key: string, fraction: () => number, nowMs: number): boolean {
  pool.budget.noteRequest()
  const chosen = pool.first({ stickTo: hashText(key), fraction }, nowMs)
  if (chosen.kind === 'none') return false
  const slot = chosen.member.slots.take(nowMs, nowMs + 60_000)
  if (slot === null) return false
  const held = new HeldCall(chosen.member, slot, false)
  held.headers('answered', 40, nowMs + 40)
  held.end('complete', nowMs + 50)
  return true
}

export default {
  bench(b: Bench): void {
    for (const [choose, count] of cases) {
      const targets = Array.from({ length: count }, (_, at) => targetWith({ id: `up/${at}` }))
      const pool = new Pool(upstreamWith(targets, { choose }), 0)
      const fraction = randomFrom(5)
      let nowMs = 0
      b.run(`${choose}-${count}`, () => {
        nowMs += 1
        if (!serve(pool, 'account/key-of-the-account', fraction, nowMs)) throw new Error('nobody was chosen')
        b.blackBox(pool)
      })
    }
  },
}
