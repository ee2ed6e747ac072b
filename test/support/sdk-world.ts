import { startMock, type RunningMock } from '../../bench/mock/server.ts'
import { freePort, startGatewayUnderTest, type GatewayUnderTest } from './gateway-under-test.ts'

/** A mock provider, and the gateway in front of it with routes on which things go wrong. */
export interface SdkWorld {
  readonly mock: RunningMock
  readonly gateway: GatewayUnderTest
  close(): Promise<void>
}

/** First-byte time of the routes under `/late-*`. */
export const lateMs = 300
/** Body limit of the routes under `/small-*`. */
export const smallBytesMax = 2_000

/**
 * Beside the project's routes, for each LLM dialect: `/dead-DIALECT/*` where nobody listens, `/late-DIALECT/*` with
 * little patience, `/small-DIALECT/*` with room for little.
 */
export async function startSdkWorld(): Promise<SdkWorld> {
  const mock = await startMock()
  const nobody = `http://127.0.0.1:${await freePort()}`
  const dialects = ['openai', 'anthropic']
  const upstreams = dialects.flatMap((dialect) => [
    [`dead-${dialect}`, { dialect, targets: [{ origin: nobody }] }],
    [`late-${dialect}`, { dialect, targets: [{ origin: mock.url }], timeouts: { firstByteMs: lateMs } }],
  ])
  const routes = dialects.flatMap((dialect) => [
    { id: `dead-${dialect}`, path: `/dead-${dialect}/*`, upstream: `dead-${dialect}`, rewrite: '/*' },
    { id: `late-${dialect}`, path: `/late-${dialect}/*`, upstream: `late-${dialect}`, rewrite: '/*' },
    {
      id: `small-${dialect}`,
      path: `/small-${dialect}/*`,
      upstream: dialect,
      rewrite: '/*',
      bodyBytesMax: smallBytesMax,
    },
  ])
  const gateway = await startGatewayUnderTest({
    upstreamUrl: mock.url,
    upstreams: Object.fromEntries(upstreams) as Record<string, unknown>,
    routes,
  })
  return {
    mock,
    gateway,
    async close() {
      await gateway.close()
      await mock.close()
    },
  }
}

/** Members that differ between two equal calls: ids of requests, the mock's stamps, times, ids a client makes up. */
const incidental = new Set([
  'mock',
  '_request_id',
  'request_id',
  'headers',
  'timestamp',
  'createdAt',
  'callId',
])

/**
 * A result as plain data, without what two equal calls do not share. A provider that is asked for usage says
 * `usage: null` in every chunk before it, which is as good as nothing.
 */
export function essence(value: unknown): unknown {
  const text = JSON.stringify(value, (name, member: unknown) =>
    incidental.has(name) || (name === 'usage' && member === null) ? undefined : member,
  )
  return text === undefined ? undefined : (JSON.parse(text) as unknown)
}

/** All items of a stream. */
export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of stream) items.push(item)
  return items
}

/** What a promise rejects with. @throws {Error} when it does not */
export async function rejection(promise: PromiseLike<unknown>): Promise<unknown> {
  const outcome = await promise.then(
    () => null,
    (error: unknown) => ({ error }),
  )
  if (outcome === null) throw new Error('it did not reject')
  return outcome.error
}
