import { startGatewayUnderTest, type GatewayUnderTest } from './gateway-under-test.ts'
import { startScriptedUpstream, wholeAnswer, type ScriptedUpstream } from './scripted-upstream.ts'

/** The gateway with routes that cache, in front of an upstream that counts. */
export interface CacheWorld {
  readonly up: ScriptedUpstream
  readonly gateway: GatewayUnderTest
  /** Key of another account. */
  readonly otherKey: string
  /** Asks for a path, and reads the answer to its end. */
  ask(path: string, init?: RequestInit): Promise<Asked>
  /** Answers to a path from now on: these headers, and a body that says how often it was asked for. */
  serve(path: string, headers: Readonly<Record<string, string>>, body?: string): void
  /** How often the upstream was asked for a path. */
  asked(path: string): number
  close(): Promise<void>
}

export interface Asked {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The gateway's own member of Cache-Status. */
  readonly cache: string
}

const cached = (id: string, more: object = {}) => ({
  id,
  path: `/${id}/*`,
  upstream: 'example',
  auth: 'none',
  cache: {},
  ...more,
})

/** Routes by what they do: `safe`, `full`, `keyed` (RFC), `own` (account), `shared` (public scope), `cross` (CORS), `named` (key in query). */
const routes = [
  cached('safe'),
  cached('full', { cache: { profile: 'full' } }),
  cached('keyed', { auth: 'required' }),
  cached('own', { auth: 'required', cache: { authorized: 'account' } }),
  cached('shared', { auth: 'required', cache: { scope: 'public' } }),
  cached('cross', { cors: { origins: ['https://a.example', 'https://b.example'] } }),
  cached('named', { auth: 'required', keyQuery: 'key', cache: { authorized: 'account' } }),
  cached('frail', { upstream: 'frail' }),
  cached('single', { upstream: 'single' }),
  cached('cut', { auth: 'required', cache: { authorized: 'account' }, streams: { onRevoke: 'cut' } }),
  cached('small', { cache: { bytesMax: 300_000 } }),
]

/** `frail` is out after two failures; `single` takes one call at a time; `pair` has a second target that calls the model `m` otherwise. */
const upstreamsAt = (origin: string) => ({
  frail: { dialect: 'http', targets: [{ origin }], health: { failures: 2, failFast: true } },
  single: { dialect: 'http', targets: [{ origin }], concurrency: { max: 1, until: 'end', queueMax: 0 } },
  pair: {
    dialect: 'openai',
    targets: [{ origin: `${origin}/first` }, { origin: `${origin}/second`, models: { m: 'other' } }],
  },
})

export async function startCacheWorld(
  more: readonly Readonly<Record<string, unknown>>[] = [],
): Promise<CacheWorld> {
  const up = await startScriptedUpstream()
  const gateway = await startGatewayUnderTest({
    upstreamUrl: up.url,
    upstreams: upstreamsAt(up.url),
    routes: [...routes, ...more],
  })
  const account = await gateway.admin('POST', '/accounts', { name: 'other', region: 'weur' })
  const issued = await gateway.admin('POST', `/accounts/${String(account.json['id'])}/keys`, {
    name: 'other',
  })
  const asked = (path: string): number => up.requests(path).length
  return {
    up,
    gateway,
    otherKey: String(issued.json['key']),
    asked,
    serve(path, headers, body) {
      up.on(path, async (x) => {
        await x.bodyEnd()
        await x.send(wholeAnswer(200, headers, body ?? `answer ${asked(path)}`))
      })
    },
    async ask(path, init = {}) {
      const res = await fetch(gateway.url + path, { redirect: 'manual', ...init })
      const text = await res.text()
      return { status: res.status, headers: res.headers, text, cache: res.headers.get('cache-status') ?? '' }
    },
    async close() {
      await gateway.close()
      await up.close()
    },
  }
}

/** A request with a key. */
export function withKey(key: string, headers: Readonly<Record<string, string>> = {}): RequestInit {
  return { headers: { authorization: `Bearer ${key}`, ...headers } }
}
