import type { Route, Target } from '../../src/core/config/types.ts'
import type { CanonicalTarget } from '../../src/core/route/canonical-target.ts'

export function makeTarget(basePath = ''): Target {
  return {
    id: 'up/0',
    origin: 'https://up.example',
    basePath,
    dialect: 'http',
    secret: null,
    timeouts: { firstByteMs: 1, idleMs: 1, totalMs: 1 },
    includeUsage: false,
  }
}

/** A route that says nothing but what it is given. */
export function makeRoute(fields: Partial<Route> & { readonly path: string }): Route {
  return {
    id: fields.path,
    host: '*',
    methods: [],
    upstream: { name: 'up', targets: [makeTarget()] },
    rewrite: null,
    auth: 'required',
    keySources: ['authorization'],
    keyQuery: null,
    dialect: 'http',
    bodyBytesMax: 1,
    bodyMs: 1,
    requestHeaders: { remove: [], set: {} },
    responseHeaders: { remove: [], set: {} },
    cors: null,
    websocket: false,
    encodedSlash: false,
    models: { aliases: {}, override: null, allow: null, deny: [] },
    streams: { onLeave: 'abort', usage: 'strip', keepAlive: false },
    opaqueBodies: 'refuse',
    ...fields,
  }
}

export function asTarget(path: string, host = 'gw'): CanonicalTarget {
  return { scheme: 'http', host, path, query: '', encodedSlash: path.includes('%2F') }
}
