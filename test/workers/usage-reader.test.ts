import { describe, expect, test } from 'vitest'
import type { AdminOutcome } from '../../src/core/key/admin-refusal.ts'
import type { KeyPrincipal } from '../../src/core/key/principal.ts'
import type { KeyStanding } from '../../src/core/usage/usage-report.ts'
import type { Ledger } from '../../src/durable/ledger/ledger.ts'
import { createUsageReader } from '../../src/platform/usage-reader.ts'
import { CountingScope } from '../support/counting-scope.ts'
import { FakeClock } from '../support/fake-clock.ts'

const holder: KeyPrincipal = {
  kind: 'key',
  account: 'acc0000000',
  keyId: 'key0000000',
  scopes: [],
  models: null,
  limits: [],
}
const standing = { lifetime: { requests: 1 } } as unknown as KeyStanding
const days = { firstDay: 1, lastDay: 2 }

/** A reader of a Ledger that answers as told, and what it was asked. */
function reading(answer: () => Promise<AdminOutcome<KeyStanding>>) {
  const clock = new FakeClock()
  const asked: unknown[] = []
  const stub = {
    keyStanding: (...question: unknown[]) => (asked.push(question), answer()),
    keyUsage: (...question: unknown[]) => (asked.push(question), answer()),
  }
  const ledgers = {
    getByName: (name: string) => (asked.push(name), stub),
  } as unknown as DurableObjectNamespace<Ledger>
  return { clock, asked, scope: new CountingScope(), reader: createUsageReader({ ledgers, clock }) }
}

describe('a reader of usage', () => {
  test("asks the Ledger of the key's account, and says how long it waited", async () => {
    const { asked, scope, reader, clock } = reading(() => clock.wait(30).then(() => standing))
    expect((await clock.until(reader.standing(holder, scope))).value).toBe(standing)
    expect((await clock.until(reader.usage(holder, days, scope))).value).toBe(standing)
    expect(asked).toEqual([
      expect.stringContaining('acc0000000'),
      ['key0000000'],
      expect.stringContaining('acc0000000'),
      ['key0000000', days],
    ])
    expect([scope.counts.ledger, scope.waits]).toEqual([
      2,
      [
        ['ledger', 30],
        ['ledger', 30],
      ],
    ])
  })

  const failing: [string, () => Promise<never>, number][] = [
    ['is silent', () => new Promise<never>(() => {}), 1_000],
    ['fails', () => Promise.reject(new Error('overloaded')), 0],
    [
      'cannot be asked',
      () => {
        throw new Error('an older one')
      },
      0,
    ],
  ]

  test.each(failing)('of a Ledger that %s says so within a second', async (_, answer, ms) => {
    const { scope, reader, clock } = reading(answer)
    const { value, tookMs } = await clock.until(reader.standing(holder, scope))
    expect([value, tookMs]).toEqual([{ refused: 'limits_unavailable', retryAfterMs: 1_000 }, ms])
  })

  test.each(['key_unknown', 'account_unknown', 'account_deleted'] as const)(
    'of a Ledger that says %s takes the key for invalid',
    async (refused) => {
      const { scope, reader, clock } = reading(async () => ({ refused }))
      expect((await clock.until(reader.usage(holder, days, scope))).value).toEqual({ refused: 'key_invalid' })
    },
  )
})
