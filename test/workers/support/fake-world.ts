import { compileConfig } from '../../../src/core/config/compile.ts'
import { defaultConcurrency } from '../../../src/core/config/defaults.ts'
import type { ModelRules, Route, Target } from '../../../src/core/config/types.ts'
import type { LimitStanding } from '../../../src/core/limit/standing.ts'
import { TokenEstimator } from '../../../src/core/llm/estimate.ts'
import { isRefusal, type Awaitable, type Outcome } from '../../../src/core/outcome.ts'
import type { RequestRecord } from '../../../src/core/record.ts'
import type { Refusal } from '../../../src/core/refusal.ts'
import { canonicalTarget, type CanonicalTarget } from '../../../src/core/route/canonical-target.ts'
import { Pools } from '../../../src/core/upstream/pools.ts'
import { noPurges } from '../../../src/core/cache/purge-log.ts'
import type { Deps } from '../../../src/gateway/deps.ts'
import { digest } from '../../../src/platform/digest.ts'
import { RequestLife } from '../../../src/gateway/exchange.ts'
import { handle } from '../../../src/gateway/handle.ts'
import type {
  Grant,
  ResponseCache,
  Settled,
  StopReason,
  TokenWant,
  UpstreamAnswer,
  UpstreamCall,
} from '../../../src/ports.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { keyRecordWith } from '../../support/key-records.ts'
import { routeWith, targetWith, upstreamWith } from '../../support/routes.ts'

export const poolChoices = ['ordered', 'weighted', 'least-loaded', 'sticky-key', 'sticky-prefix'] as const
const threeTargets = [0, 1, 2].map((at) => targetWith({ id: `up/${at}`, origin: `https://up${at}.test` }))

/** Of no use to any route here: a route without a cache does not so much as look at it. */
const untouched = new Proxy({} as ResponseCache, {
  get(_, name) {
    throw new Error(`the cache was asked for ${String(name)}`)
  },
})

const secretTarget = targetWith({
  dialect: 'openai',
  secret: { secret: 'UP_KEY', header: 'authorization', prefix: 'Bearer ' },
})
/** All that can be tried for an LLM request. */
const everyTry: Partial<Route> = {
  rewrite: '/v1/*',
  dialect: 'openai',
  resend: { unsafe: true, hedge: true, bufferBytes: 1_000 },
}
const otherTarget: Target = { ...secretTarget, id: 'up/1', models: { m: 'm2' } }
const routes: readonly Route[] = [
  routeWith({ id: 'open', path: '/open/*', auth: 'none' }),
  ...poolChoices.map((choose) =>
    routeWith({
      id: choose,
      path: `/pool/${choose}`,
      upstream: upstreamWith(threeTargets, { choose, concurrency: { ...defaultConcurrency, max: 1 } }),
    }),
  ),
  routeWith({ id: 'listed', path: '/listed', rewrite: '/v1/models', dialect: 'openai' }, secretTarget),
  routeWith(
    {
      id: 'page',
      path: '/page/*',
      rewrite: '/*',
      cors: {
        origins: ['https://page.example'],
        allowHeaders: [],
        exposeHeaders: ['x-own'],
        credentials: false,
        maxAgeSeconds: 1,
      },
    },
    secretTarget,
  ),
  routeWith({
    ...everyTry,
    id: 'pair',
    path: '/pair/*',
    upstream: upstreamWith([secretTarget, otherTarget], { hedgeShare: 1 }),
  }),
  routeWith({ ...everyTry, id: 'alone', path: '/alone/*' }, secretTarget),
  routeWith({ id: 'llm', path: '/v1/*', dialect: 'openai', bodyBytesMax: 100 }, secretTarget),
]

const record = keyRecordWith({ account: 'acc', id: 'kid', name: 'k', scopes: ['profile'] })

const used = {
  requests: 3,
  inputTokens: 40,
  outputTokens: 2,
  microUsd: 7,
  estimated: 1,
  lost: 0,
  lastUsedMs: 5,
}

export const timer = { set() {}, stop() {} }

/** Real stages over I/O that counts, answers at once and settles nothing by itself. */
export class FakeWorld {
  readonly calls: UpstreamCall[] = []
  readonly records: RequestRecord[] = []
  readonly bugs: string[] = []
  readonly grants: string[] = []
  readonly wants: TokenWant[] = []
  /** What the grant says when tokens are asked for. */
  reserving: Awaitable<Outcome<null>> = null
  standing: readonly LimitStanding[] = []
  /** Why nobody is let in; null lets everybody in. */
  admission: Refusal | null = null
  /** Why the Ledger cannot say how a key stands; null when it can. */
  standings: Refusal | null = null
  /** Days that usage was asked for. */
  readonly days: number[] = []
  /** What the grant's `settle` does instead of noting. */
  settling: (() => never) | null = null
  readonly deferred: Promise<unknown>[] = []
  /** Stops the request's body, as its grant does. */
  stop: (why: StopReason) => void = () => {}
  readonly clock = new FakeClock()
  readonly pools = new Pools()
  /** Rules of the one key there is. */
  models: ModelRules | null = null
  upstream: (call: UpstreamCall) => Promise<Outcome<UpstreamAnswer>> = () =>
    Promise.resolve({ response: new Response(null, { status: 204 }), abort() {}, remainingMs: 1000, timer })

  get deps(): Deps {
    const snapshot = compileConfig(
      {
        settings: {
          name: 'gw',
          clientAddress: 'none',
          serverTiming: true,
          logSample: 1,
          keyGraceMs: 0,
        },
        routes,
        prices: { 'm*': { input: 1_000_000, cachedInput: null, cacheWrite: null, output: 2_000_000 } },
      },
      0,
    )
    const grant: Grant = {
      reserve: (want) => {
        this.wants.push(want)
        return this.reserving
      },
      sliced: false,
      reservedOutputTokens: 0,
      extend: () => true,
      settle: (settled) => {
        this.grants.push(settledText(settled))
        this.settling?.()
      },
      release: () => void this.grants.push('release'),
      standing: () => this.standing,
      onStop: (stop) => {
        this.stop = stop
      },
    }
    return {
      config: { snapshot: () => snapshot },
      keys: {
        find: (text) =>
          text === 'slc_known'
            ? { record: { ...record, models: this.models }, prepaid: null }
            : { refused: 'key_invalid' },
      },
      limiter: { admit: () => this.admission ?? grant },
      usage: {
        standing: async () => this.standings ?? { record, lifetime: used, limits: [] },
        usage: async (_, { firstDay, lastDay }) => {
          this.days.push(lastDay - firstDay + 1)
          return this.standings ?? { record, lifetime: used, limits: [], days: [], truncated: false }
        },
      },
      estimator: new TokenEstimator(),
      upstreams: {
        call: (call, scope) => {
          scope.count('upstream')
          this.calls.push(call)
          return this.upstream(call)
        },
        secret: (name) => (name === 'UP_KEY' ? 'sk-up' : null),
      },
      pools: this.pools,
      recorder: {
        record: (made) => this.records.push(made),
        bug: (id) => this.bugs.push(id),
        misconfigured() {},
      },
      cache: untouched,
      purges: { log: () => noPurges },
      digest,
      readiness: { check: async () => ({ keys: 'ok' }) },
      clock: this.clock,
      random: { bytes: (count) => new Uint8Array(count).fill(7), fraction: () => 0 },
    }
  }

  life(request: Request): RequestLife {
    return new RequestLife(request, target(request), this.deps, (work) => this.deferred.push(work))
  }

  handle(request: Request): Promise<Response> {
    return handle(request, target(request), this.deps, (work) => this.deferred.push(work))
  }
}

function settledText({ usage, ending }: Settled): string {
  return `settle ${JSON.stringify(usage)} ${ending}`
}

export function target(request: Request): CanonicalTarget {
  const found = canonicalTarget(request.url, null)
  if (isRefusal(found)) throw new Error('not a target')
  return found
}

export const json = { 'content-type': 'application/json', 'content-length': '2' }

export function llmRequest(init: RequestInit = {}): Request {
  const headers = { authorization: 'Bearer slc_known', ...json }
  return new Request('http://gw.test/v1/chat/completions', { method: 'POST', headers, body: '{}', ...init })
}

export const failing = (refused: 'upstream_unreachable' | 'client_left') => () => Promise.resolve({ refused })

/** A request for JSON as this one. */
export function asking(text: string): Request {
  const headers = { 'x-api-key': 'slc_known', ...json, 'content-length': String(text.length) }
  return llmRequest({ body: text, headers })
}

/** An upstream that answers in JSON of declared length. */
export function answering(body: unknown): FakeWorld['upstream'] {
  const response = Response.json(body, {
    headers: { 'content-length': String(JSON.stringify(body).length) },
  })
  return () => Promise.resolve({ response, abort() {}, remainingMs: 1000, timer })
}
