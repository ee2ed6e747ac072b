import { describe, expect, test } from 'vitest'
import { RequestLife } from '../../src/gateway/exchange.ts'
import { run } from '../../src/gateway/handle.ts'
import { random } from '../../src/platform/random.ts'
import { concurrentRequests, requestRate, tokenBudget } from '../support/limits.ts'
import { FakeWorld, target } from './support/fake-world.ts'
import { LimitWorld } from './support/limit-world.ts'

interface Asked {
  readonly method: 'GET' | 'POST'
  readonly body?: string
}

/** The whole line over real keys and limits. */
class WarmWorld {
  readonly limits = new LimitWorld()
  readonly fake = new FakeWorld()
  readonly isolate = this.limits.isolate()
  readonly deferred: Promise<unknown>[] = []

  get deps() {
    const { keys, limiter } = this.isolate
    return { ...this.fake.deps, keys, limiter, random, clock: this.limits.clock }
  }

  life(text: string, init: Asked): RequestLife {
    const headers = { 'x-api-key': text, 'content-type': 'application/json' }
    const request = new Request(
      `http://gw.test/v1/${init.method === 'POST' ? 'chat/completions' : 'models'}`,
      {
        ...init,
        headers:
          init.body === undefined ? headers : { ...headers, 'content-length': String(init.body.length) },
      },
    )
    return new RequestLife(request, target(request), this.deps, (work) => this.deferred.push(work))
  }

  /** Serves requests until keys, lease and permits are in memory. */
  async warm(text: string, init: Asked): Promise<void> {
    for (let request = 0; request < 40; request += 1) {
      const x = this.life(text, init)
      await run(x, this.deps)
      x.grant?.release()
      await this.limits.clock.advance(20)
    }
    this.deferred.length = 0
  }
}

async function limitedKey(world: WarmWorld): Promise<string> {
  world.limits.ledger.setLimits([requestRate(600_000, { name: 'account' }), concurrentRequests(1_000)])
  const limits = [
    requestRate(60_000),
    concurrentRequests(500),
    tokenBudget(1_000_000_000, { reserve: 'p90' }),
  ]
  return (await world.limits.key({ limits })).text
}

describe('the warm path with limits on', () => {
  test('calls the upstream before run() first yields, and does nothing else', async () => {
    const world = new WarmWorld()
    const text = await limitedKey(world)
    const init: Asked = { method: 'GET' }
    await world.warm(text, init)
    const before = [world.fake.calls.length, world.limits.ledger.syncs.length]
    const x = world.life(text, init)
    void run(x, world.deps)
    expect([world.fake.calls.length, world.limits.ledger.syncs.length]).toEqual([
      (before[0] ?? 0) + 1,
      before[1],
    ])
    expect([x.operations, x.waits, world.deferred]).toEqual([{ upstream: 1 }, {}, []])
    x.grant?.release()
  })

  test('of an LLM request waits for its body and nothing else: its tokens are in memory as well', async () => {
    const world = new WarmWorld()
    const text = await limitedKey(world)
    const init: Asked = { method: 'POST', body: '{"model":"m"}' }
    await world.warm(text, init)
    const before = world.limits.ledger.syncs.length
    const x = world.life(text, init)
    await run(x, world.deps)
    expect([x.operations, x.waits, world.limits.ledger.syncs.length]).toEqual([{ upstream: 1 }, {}, before])
    expect(x.grant?.standing().map(({ spec }) => spec.kind)).toEqual([
      'request-rate',
      'concurrent-requests',
      'token-budget',
      'request-rate',
      'concurrent-requests',
    ])
    x.grant?.release()
  })
})
