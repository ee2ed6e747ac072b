import { describe, expect, test } from 'vitest'
import type { KeyRecord } from '../../src/core/key/key-record.ts'
import { priceTable } from '../../src/core/llm/cost.ts'
import type { Outcome } from '../../src/core/outcome.ts'
import type { Grant } from '../../src/ports.ts'
import { reserve } from '../../src/stages/reserve.ts'
import { tokenBudget } from '../support/limits.ts'
import { inspectAt, llmRoute, passed, sending, type Sent } from './support/inspection.ts'
import { LimitWorld, spending } from './support/limit-world.ts'

const limit = 1_000_000
const asks = '"model":"m","n":20,"max_tokens":32000'
const padded = `{${asks},"pad":"${'x'.repeat(300_000)}"}`

const ways: readonly [string, Sent, { readonly takes: number }][] = [
  ['with its length', sending(`{${asks}}`, true), { takes: 640_010 }],
  ['without its length', sending(`{${asks}}`, false), { takes: 640_010 }],
  ['behind 256 KiB of padding', sending(padded, true), { takes: limit }],
  ['the same without its length', sending(padded, false), { takes: limit }],
]

/** A key with one budget, and its requests as they come through the stages. */
class BudgetWorld extends LimitWorld {
  readonly #isolate = this.isolate()
  readonly #key: Promise<{ readonly text: string }>

  constructor(how: KeyRecord['limits'][number]['reserve']) {
    super()
    this.#key = this.key({ limits: [tokenBudget(limit, { reserve: how })] })
  }

  async asks(sent: Sent): Promise<{ readonly grant: Grant; readonly outcome: Outcome<null> }> {
    const grant = await this.grant(this.#isolate, (await this.#key).text)
    const outbound = await passed(inspectAt(llmRoute(), sent).outcome)
    const reserving = reserve(grant, outbound, priceTable({}), { clock: this.clock })
    return { grant, outcome: await reserving }
  }

  /** Tokens of each reservation that the Ledger was asked for or told of. */
  async taken(): Promise<readonly number[]> {
    await this.clock.advance(3_000)
    const told = this.ledger.syncs.flatMap(({ opened, needs }) => [...opened, ...needs])
    return told.flatMap(({ takes }) => takes.map(({ cost }) => cost))
  }
}

describe('a limit that reserves `max`', () => {
  test.each(ways)(
    'takes what twenty long answers can come to, or all there is, for a body sent %s',
    async (_, sent, { takes }) => {
      const world = new BudgetWorld('max')
      expect((await world.asks(sent)).outcome).toBeNull()
      const taken = await world.taken()
      expect(Math.max(...taken)).toBe(takes)
    },
  )

  test('lets no body that it does not know run beside others, nor once any of it is used', async () => {
    const world = new BudgetWorld('max')
    const unknown = await world.asks(sending(padded, false))
    expect(unknown.outcome).toBeNull()
    const small = sending('{"model":"m","max_tokens":5}', true)
    expect((await world.asks(small)).outcome).toMatchObject({ refused: 'limit_reached' })
    unknown.grant.settle(spending(7))
    await world.clock.advance(30_000)
    expect((await world.asks(small)).outcome).toBeNull()
    expect((await world.asks(sending(padded, false))).outcome).toMatchObject({ refused: 'limit_reached' })
  })
})
