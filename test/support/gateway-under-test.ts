import { randomBytes } from 'node:crypto'
import { createServer, type AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { projectFolder } from '../../bench/rig/bundle.ts'
import { startRig, type Rig, type RigOptions } from '../../bench/rig/rig.ts'
import { pointUpstreams, readConfiguration } from '../../scripts/start/configuration.mjs'
import { parseConfig, type ParsedConfig } from '../../src/core/config/parse.ts'
import type { RequestRecord } from '../../src/core/record.ts'
import { type Canaries, secretPart } from './canaries.ts'
import { eventually } from './eventually.ts'

export interface GatewayOptions {
  /** Where all upstreams of the project's own configuration are pointed. */
  readonly upstreamUrl: string
  /** Upstreams beside those of the project's configuration, or in their place. */
  readonly upstreams?: Readonly<Record<string, unknown>>
  /** Routes beside those of the project's configuration. */
  readonly routes?: readonly Readonly<Record<string, unknown>>[]
  /** The gateway's own settings, in place of those of the project's configuration. */
  readonly settings?: Readonly<Record<string, unknown>>
  /** Prices of models, in place of those of the project's configuration. */
  readonly prices?: Readonly<Record<string, unknown>>
  readonly rig?: Pick<RigOptions, 'durableFaults' | 'port' | 'isolates'>
}

/** What a key is made with, beyond its name. */
interface KeyWish {
  readonly scopes?: readonly string[]
  readonly models?: { readonly allow?: readonly string[]; readonly deny?: readonly string[] }
  readonly expiresAtMs?: number
  readonly limits?: readonly Readonly<Record<string, unknown>>[]
  readonly strict?: boolean
}

export interface TestKey {
  readonly id: string
  readonly key: string
}

interface AdminAnswer {
  readonly status: number
  readonly json: Record<string, unknown>
}

/** The built gateway on bare workerd with an account and a key of its own. */
export interface GatewayUnderTest extends TestKey {
  readonly rig: Rig
  readonly url: string
  readonly port: number
  readonly account: string
  /** Text of SLUICE_KEY_RING. */
  readonly ring: string
  /** Every secret of this gateway, by kind; the first key is among them. */
  readonly canaries: Canaries
  /** Everything it answers from, read and with its defaults put in. */
  readonly configuration: ParsedConfig
  /** Asks the admin API; the path follows `/_sluice/v1`. */
  admin(method: string, path: string, body?: object): Promise<AdminAnswer>
  newKey(wish?: KeyWish): Promise<TestKey>
  /** Records logged so far. */
  records(): RequestRecord[]
  /** Records of one request, once there is one and there was time for another. */
  recordsOf(requestId: string): Promise<RequestRecord[]>
  close(): Promise<void>
}

/** Routes that lead to any path of an upstream: `/openai/x` to `/x` and so on; `/http/*` is in the configuration. */
const anyPath = ['openai', 'anthropic'].map((upstream) => ({
  id: `any-${upstream}`,
  path: `/${upstream}/*`,
  upstream,
  rewrite: '/*',
}))

/** Starts it. @throws {Error} when the configuration has problems or the gateway does not come up */
export async function startGatewayUnderTest(options: GatewayOptions): Promise<GatewayUnderTest> {
  const ring = `t1=${randomBytes(32).toString('base64url')}`
  const secrets = {
    SLUICE_OPERATOR_TOKEN: `operator-${randomBytes(12).toString('hex')}`,
    OPENAI_API_KEY: `sk-openai-${randomBytes(12).toString('hex')}`,
    ANTHROPIC_API_KEY: `sk-anthropic-${randomBytes(12).toString('hex')}`,
  }
  const { document, configuration } = configurationFor(options)
  const rig = await startRig({
    ...options.rig,
    bindings: { ...secrets, SLUICE_KEY_RING: ring, SLUICE_CONFIG: document },
  })
  try {
    const admin = adminClient(rig.url, secrets.SLUICE_OPERATOR_TOKEN)
    const account = textIn(await admin('POST', '/accounts', { name: 'under test', region: 'weur' }), 'id')
    const newKey = async (wish: KeyWish = {}): Promise<TestKey> => {
      const issued = await admin('POST', `/accounts/${account}/keys`, { name: 'test', ...wish })
      return { id: textIn(issued, 'id'), key: textIn(issued, 'key') }
    }
    const first = await newKey()
    const canaries = { ...secrets, SLUICE_KEY_RING: ring.slice(3), clientKey: secretPart(first.key) }
    const base = {
      rig,
      url: rig.url,
      port: Number(new URL(rig.url).port),
      account,
      ring,
      canaries,
      configuration,
    }
    return { ...base, ...first, ...reading(rig), admin, newKey, close: () => rig.close() }
  } catch (error) {
    await rig.close()
    throw new Error(`The gateway under test did not come up: ${String(error)}\n${rig.log()}`, {
      cause: error,
    })
  }
}

/** A port that is free now; for a gateway that has to be named in its own configuration. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => {
    server.close(resolve)
  })
  return port
}

interface Configured {
  readonly document: unknown
  readonly configuration: ParsedConfig
}

function configurationFor({
  upstreamUrl,
  upstreams = {},
  routes = [],
  settings,
  prices,
}: GatewayOptions): Configured {
  const { document } = pointUpstreams(readConfiguration(projectFolder), upstreamUrl, {})
  const own = document as {
    readonly gateway?: object
    readonly upstreams: object
    readonly routes?: readonly unknown[]
  }
  const whole = {
    ...own,
    gateway: { ...own.gateway, ...settings },
    upstreams: { ...own.upstreams, ...upstreams },
    routes: [...routes, ...anyPath, ...(own.routes ?? [])],
    ...(prices !== undefined && { prices }),
  }
  const parsed = parseConfig(whole)
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems, null, 2))
  return { document: whole, configuration: parsed }
}

function adminClient(url: string, token: string): GatewayUnderTest['admin'] {
  return async (method, path, body) => {
    const res = await fetch(`${url}/_sluice/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return { status: res.status, json: (await res.json()) as Record<string, unknown> }
  }
}

function textIn({ status, json }: AdminAnswer, name: string): string {
  const value = json[name]
  if (typeof value !== 'string') throw new Error(`${status} ${JSON.stringify(json)}`)
  return value
}

/** How long a second record of a request may lag behind the first and still be seen. */
const secondRecordMs = 100

function reading(rig: Rig): Pick<GatewayUnderTest, 'records' | 'recordsOf'> {
  const records = (): RequestRecord[] =>
    rig
      .log()
      .split('\n')
      .filter((line) => line.startsWith('{"kind":"request"') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as RequestRecord)
  const of = (requestId: string): RequestRecord[] => records().filter(({ id }) => id === requestId)
  return {
    records,
    async recordsOf(requestId) {
      await eventually(() => of(requestId).length > 0)
      await wait(secondRecordMs)
      return of(requestId)
    },
  }
}
