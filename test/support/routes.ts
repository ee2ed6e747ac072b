import { defaultPool, defaultResend } from '../../src/core/config/defaults.ts'
import type { Route, Target, Upstream } from '../../src/core/config/types.ts'

/** A target with ordinary settings. */
export function targetWith(changes: Partial<Target> = {}): Target {
  return {
    id: 'up/0',
    origin: 'https://up.test',
    basePath: '',
    dialect: 'http',
    secret: null,
    timeouts: { firstByteMs: 1000, firstContentMs: null, idleMs: 1000, totalMs: 5000 },
    includeUsage: false,
    weight: 1,
    canaryShare: null,
    models: {},
    checkPath: null,
    ...changes,
  }
}

/** A pool of targets, with the settings that hold by default. */
export function upstreamWith(targets: readonly Target[], changes: Partial<Upstream> = {}): Upstream {
  return {
    name: 'up',
    targets,
    ...defaultPool,
    ...changes,
  }
}

/** A route to one target, with ordinary settings. */
export function routeWith(changes: Partial<Route> = {}, target: Target = targetWith()): Route {
  return {
    id: 'r',
    host: '*',
    path: '/*',
    methods: [],
    upstream: upstreamWith([target]),
    rewrite: null,
    auth: 'required',
    keySources: ['authorization', 'x-api-key'],
    keyQuery: null,
    dialect: target.dialect,
    bodyBytesMax: 1_000_000,
    bodyMs: 10_000,
    requestHeaders: { remove: [], set: {} },
    responseHeaders: { remove: [], set: {} },
    cors: null,
    websocket: false,
    encodedSlash: false,
    models: { aliases: {}, override: null, allow: null, deny: [] },
    streams: { onLeave: 'abort', usage: 'strip', keepAlive: false, onRevoke: 'finish' },
    resend: defaultResend[target.dialect],
    limits: [],
    opaqueBodies: 'refuse',
    cache: null,
    llmCache: null,
    ...changes,
  }
}
