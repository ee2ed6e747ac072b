import { defaultGateway } from '../../../src/core/config/defaults.ts'
import type { Route } from '../../../src/core/config/types.ts'
import { KeyCache } from '../../../src/core/key/key-cache.ts'
import type { KeyRecord } from '../../../src/core/key/key-record.ts'
import { isRefusal, type Outcome } from '../../../src/core/outcome.ts'
import { Pools } from '../../../src/core/upstream/pools.ts'
import type { Ledger } from '../../../src/durable/ledger/ledger.ts'
import { digest } from '../../../src/platform/digest.ts'
import { createKeySource } from '../../../src/platform/key-source.ts'
import { LedgerLinks } from '../../../src/platform/ledger-links.ts'
import { createLimiter } from '../../../src/platform/limiter.ts'
import { random } from '../../../src/platform/random.ts'
import { noShield } from '../../../src/platform/shield.ts'
import type { Exchange, Grant, KeySource, Limiter, TokenWant } from '../../../src/ports.ts'
import { admit } from '../../../src/stages/admit.ts'
import { authenticate } from '../../../src/stages/authenticate.ts'
import { BookLedger } from '../../support/book-ledger.ts'
import type { CountingScope } from '../../support/counting-scope.ts'
import { exchangeWith } from '../../support/exchanges.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { routeWith } from '../../support/routes.ts'
import { issue, ring } from './fake-stores.ts'

const bundled = () => defaultGateway

/** One isolate's memory. */
export interface LimitIsolate {
  readonly keys: KeySource
  readonly limiter: Limiter
  readonly links: LedgerLinks
}

/** A request that was let in, or was not. */
export interface Admitted {
  readonly outcome: Outcome<Grant>
  readonly x: Exchange & CountingScope
}

/** An account with its Ledger, and as many isolates as are asked for. No key is in KV. */
export class LimitWorld {
  readonly clock = new FakeClock()
  readonly ledger = new BookLedger(this.clock)
  readonly account = 'aaaaaaaaaa'

  isolate(): LimitIsolate {
    const { clock, ledger } = this
    const ledgers = {
      getByName: () => ({ sync: ledger.sync.bind(ledger) }),
    } as unknown as DurableObjectNamespace<Ledger>
    const kv = { get: async () => null } as unknown as KVNamespace
    const cache = new KeyCache()
    const links = new LedgerLinks({ ledgers, clock, random, pools: new Pools() }, (record) =>
      cache.override(record),
    )
    const keys = createKeySource({
      kv,
      links,
      cache,
      ring,
      shield: noShield,
      settings: bundled,
      digest,
      clock,
    })
    return { keys, limiter: createLimiter(links, clock), links }
  }

  /** A key that the Ledger knows. @returns its text */
  async key(changes: Partial<KeyRecord> = {}): Promise<{ text: string; record: KeyRecord }> {
    const key = await issue({ account: this.account, ...changes })
    this.ledger.put(key.record)
    return key
  }

  /** Brings a request to the first two stages. */
  async admit(isolate: LimitIsolate, text: string, route: Route = routeWith()): Promise<Admitted> {
    const x = exchangeWith({ authorization: `Bearer ${text}` })
    const principal = await authenticate(x, route, { keys: isolate.keys, clock: this.clock })
    if (isRefusal(principal)) return { outcome: principal, x }
    return { outcome: await admit(x, principal, route, { limiter: isolate.limiter }), x }
  }

  /** The grant of a request that has to be let in. */
  async grant(isolate: LimitIsolate, text: string, route?: Route): Promise<Grant> {
    const { outcome } = await this.admit(isolate, text, route)
    if (isRefusal(outcome)) throw new Error(`refused: ${JSON.stringify(outcome)}`)
    return outcome
  }
}

/** A request for one answer of at most 100 tokens to 10 tokens of input. */
export function wanting(clock: FakeClock, changes: Partial<TokenWant> = {}): TokenWant {
  return {
    model: 'm',
    inputTokens: 10,
    outputTokensMax: 100,
    choices: 1,
    stream: false,
    bodyRead: true,
    price: { input: 1_000_000, cachedInput: null, cacheWrite: null, output: 2_000_000 },
    unpriced: null,
    deadlineMs: clock.nowMs() + 60_000,
    ...changes,
  }
}

/** What so many tokens of output came to. */
export function spending(outputTokens: number, costMicroUsd: number | null = null) {
  return {
    usage: {
      inputTokens: 10,
      cachedInputTokens: null,
      cacheWriteTokens: null,
      outputTokens,
      reasoningTokens: null,
      source: 'measured' as const,
      model: 'm-2026',
    },
    costMicroUsd,
    ending: 'complete' as const,
  }
}
