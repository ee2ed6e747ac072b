import { type Draft, sampleDocument, withRoute, withTarget } from './config-samples.ts'

/** A document that is wrong in one way: what it is, the path of the problem, and whether a schema can see it. */
export type BadCase = readonly [name: string, document: unknown, path: string, bySchema: boolean]

function withDocument(change: (draft: Draft) => void): Draft {
  const draft = sampleDocument()
  change(draft)
  return draft
}

const edits = (part: 'request' | 'response', changes: unknown) => withRoute({ headers: { [part]: changes } })
const cors = (policy: Record<string, unknown>) => withRoute({ cors: policy })

export const badCases: readonly BadCase[] = [
  ['no object', [], '$', true],
  ['null', null, '$', true],
  ['no version', withDocument((draft) => void delete draft.version), '$.version', true],
  ['another version', withDocument((draft) => void (draft.version = 2)), '$.version', true],
  ['an unknown setting', withDocument((draft) => void (draft['rotues'] = [])), '$.rotues', true],
  ['no routes', withDocument((draft) => void Reflect.deleteProperty(draft, 'routes')), '$.routes', true],
  ['a schema that is no string', withDocument((draft) => void (draft['$schema'] = 1)), '$["$schema"]', true],
  ['a gateway name with a space', { ...sampleDocument(), gateway: { name: 'a b' } }, '$.gateway.name', true],
  [
    'a sample above 1',
    { ...sampleDocument(), gateway: { log: { sample: 2 } } },
    '$.gateway.log.sample',
    true,
  ],
  [
    'a client address by hearsay',
    { ...sampleDocument(), gateway: { clientAddress: 'x' } },
    '$.gateway.clientAddress',
    true,
  ],
  [
    'server timing as text',
    { ...sampleDocument(), gateway: { serverTiming: 'yes' } },
    '$.gateway.serverTiming',
    true,
  ],
  [
    'an upstream name with a slash',
    withDocument((draft) => void (draft.upstreams['a/b'] = sampleDocument().upstreams['plain'] ?? {})),
    '$.upstreams["a/b"]',
    true,
  ],
  [
    'an upstream without dialect',
    withDocument((draft) => void (draft.upstreams['plain'] = { targets: [{ origin: 'https://x.example' }] })),
    '$.upstreams.plain.dialect',
    true,
  ],
  [
    'an upstream without targets',
    withDocument((draft) => void (draft.upstreams['plain'] = { dialect: 'http', targets: [] })),
    '$.upstreams.plain.targets',
    true,
  ],
  ['a route to nowhere', withRoute({ upstream: 'lmm' }), '$.routes[0].upstream', false],
  ['a file origin', withTarget({ origin: 'file:///etc/passwd' }), '$.upstreams.llm.targets[0].origin', true],
  [
    'an origin with a user name',
    withTarget({ origin: 'https://a:b@x.example' }),
    '$.upstreams.llm.targets[0].origin',
    true,
  ],
  [
    'an origin with a query',
    withTarget({ origin: 'https://x.example/?a' }),
    '$.upstreams.llm.targets[0].origin',
    true,
  ],
  [
    'an origin with a fragment',
    withTarget({ origin: 'https://x.example/#a' }),
    '$.upstreams.llm.targets[0].origin',
    true,
  ],
  [
    'an origin with dot segments',
    withTarget({ origin: 'https://x.example/a/../b' }),
    '$.upstreams.llm.targets[0].origin',
    false,
  ],
  [
    'a base path in another spelling',
    withTarget({ origin: 'https://x.example/%61' }),
    '$.upstreams.llm.targets[0].origin',
    false,
  ],
  [
    'an origin with a port that is none',
    withTarget({ origin: 'https://x.example:99999' }),
    '$.upstreams.llm.targets[0].origin',
    false,
  ],
  ['a secret by value', withTarget({ secret: 'sk-1234' }), '$.upstreams.llm.targets[0].secret', true],
  [
    'a secret of the gateway itself',
    withTarget({ secret: { secret: 'SLUICE_KEY_RING' } }),
    '$.upstreams.llm.targets[0].secret.secret',
    true,
  ],
  [
    'a secret in Host',
    withTarget({ secret: { secret: 'A', header: 'Host' } }),
    '$.upstreams.llm.targets[0].secret.header',
    false,
  ],
  [
    'a prefix with a line break',
    withTarget({ secret: { secret: 'A', prefix: 'a\n' } }),
    '$.upstreams.llm.targets[0].secret.prefix',
    true,
  ],
  [
    'a timeout of 0',
    withTarget({ timeouts: { idleMs: 0 } }),
    '$.upstreams.llm.targets[0].timeouts.idleMs',
    true,
  ],
  [
    'half a millisecond',
    withTarget({ timeouts: { idleMs: 1.5 } }),
    '$.upstreams.llm.targets[0].timeouts.idleMs',
    true,
  ],
  [
    'a first byte after the end',
    withTarget({ timeouts: { firstByteMs: 20, totalMs: 10 } }),
    '$.upstreams.llm.targets[0]',
    false,
  ],
  ['an id with a slash', withRoute({ id: 'a/b' }), '$.routes[0].id', true],
  ['an id twice', withRoute({ id: 'files' }), '$.routes[1]', false],
  ['a host with a port', withRoute({ host: 'a.example:80' }), '$.routes[0].host', true],
  ['a host in upper case', withRoute({ host: 'A.example' }), '$.routes[0].host', true],
  ['a wildcard inside a host', withRoute({ host: 'a.*.example' }), '$.routes[0].host', true],
  ['a path without slash', withRoute({ path: 'v1' }), '$.routes[0].path', true],
  ['a wildcard inside a path', withRoute({ path: '/a/*/b' }), '$.routes[0].path', true],
  ['a path in another spelling', withRoute({ path: '/%61' }), '$.routes[0].path', false],
  ['a path of the control plane', withRoute({ path: '/_sluice/x' }), '$.routes[0].path', false],
  ['a method in lower case', withRoute({ methods: ['post'] }), '$.routes[0].methods[0]', true],
  ['CONNECT', withRoute({ methods: ['CONNECT'] }), '$.routes[0].methods[0]', true],
  ['a method twice', withRoute({ methods: ['GET', 'GET'] }), '$.routes[0].methods[1]', true],
  ['the same route twice', withRoute({ path: '/files/{name}/*', methods: [] }), '$.routes[1]', false],
  [
    'a rewrite with a name of no parameter',
    withRoute({ rewrite: '/{nme}' }, 1),
    '$.routes[1].rewrite',
    false,
  ],
  ['a rewrite with a rest the path has not', withRoute({ rewrite: '/x/*' }), '$.routes[0].rewrite', false],
  ['a rewrite with dot segments', withRoute({ rewrite: '/../x' }), '$.routes[0].rewrite', false],
  ['an auth of its own', withRoute({ auth: 'maybe' }), '$.routes[0].auth', true],
  ['no place for a required key', withRoute({ keySources: [] }), '$.routes[0].keySources', false],
  ['a key source of its own', withRoute({ keySources: ['cookie'] }), '$.routes[0].keySources[0]', true],
  ['a query name with &', withRoute({ keyQuery: 'a&b' }), '$.routes[0].keyQuery', true],
  ['a dialect that targets do not speak', withRoute({ dialect: 'anthropic' }), '$.routes[0].dialect', false],
  ['an unknown dialect', withRoute({ dialect: 'smtp' }), '$.routes[0].dialect', true],
  ['a body limit of 0', withRoute({ bodyBytesMax: 0 }), '$.routes[0].bodyBytesMax', true],
  ['a body that may take no time', withRoute({ bodyMs: 0 }), '$.routes[0].bodyMs', true],
  ['a body limit as text', withRoute({ bodyBytesMax: '1' }), '$.routes[0].bodyBytesMax', true],
  [
    'a header of the connection',
    edits('request', { remove: ['Connection'] }),
    '$.routes[0].headers.request.remove[0]',
    false,
  ],
  [
    'an alias of a gateway header',
    edits('request', { set: { x_sluice_a: 'b' } }),
    '$.routes[0].headers.request.set.x_sluice_a',
    false,
  ],
  [
    'a header name with a space',
    edits('response', { set: { 'a b': 'c' } }),
    '$.routes[0].headers.response.set["a b"]',
    true,
  ],
  [
    'a header value with a line break',
    edits('response', { set: { a: 'b\r\nc: d' } }),
    '$.routes[0].headers.response.set.a',
    true,
  ],
  [
    'a header in two cases',
    edits('response', { set: { a: 'b', A: 'c' } }),
    '$.routes[0].headers.response.set.A',
    false,
  ],
  ['no origins', cors({ origins: [] }), '$.routes[0].cors.origins', true],
  ['an origin with a path', cors({ origins: ['https://a.example/'] }), '$.routes[0].cors.origins[0]', true],
  [
    'any origin with credentials',
    cors({ origins: ['*'], credentials: true }),
    '$.routes[0].cors.origins',
    false,
  ],
  [
    'an age beyond a day',
    cors({ origins: ['*'], maxAgeSeconds: 1e6 }),
    '$.routes[0].cors.maxAgeSeconds',
    true,
  ],
  [
    'a model without a name',
    withRoute({ models: { aliases: { a: '' } } }),
    '$.routes[0].models.aliases.a',
    true,
  ],
  ['a WebSocket flag as a number', withRoute({ websocket: 1 }), '$.routes[0].websocket', true],
]

export const goodCases: readonly (readonly [name: string, document: unknown])[] = [
  ['the sample', sampleDocument()],
  ['a schema reference', { $schema: './docs/sluice.schema.json', ...sampleDocument() }],
  [
    'gateway settings',
    {
      ...sampleDocument(),
      gateway: { name: 'edge-1', clientAddress: 'none', serverTiming: false, log: { sample: 0.1 } },
    },
  ],
  ['no routes at all', { version: 1, upstreams: {}, routes: [] }],
  [
    'a target with everything',
    withTarget({
      origin: 'https://x.example:8443/a/b/',
      secret: { secret: 'a', header: 'X-Key', prefix: 'Key ' },
      dialect: 'openai',
      timeouts: { firstByteMs: 1, idleMs: 1, totalMs: 1 },
    }),
  ],
  ['a target without secret', withTarget({ secret: null })],
  ['hosts', withRoute({ host: '*.example.com' })],
  ['one path with other methods', withRoute({ path: '/files/{x}/*', methods: ['GET'] })],
  ['plain HTTP in front of an LLM', withRoute({ dialect: 'http' })],
  ['no authentication', withRoute({ auth: 'none', keySources: [] })],
  ['a key in the query only', withRoute({ keySources: [], keyQuery: 'api_key' })],
  ['headers', edits('request', { remove: ['X-A'], set: { Accept: 'a, b', 'x-empty': '' } })],
  [
    'CORS',
    cors({
      origins: ['https://a.example', 'http://localhost:3000'],
      allowHeaders: ['X-A'],
      exposeHeaders: [],
      credentials: true,
      maxAgeSeconds: 0,
    }),
  ],
  ['CORS for everybody', cors({ origins: ['*'], allowHeaders: ['*'] })],
  ['models', withRoute({ models: { aliases: { fast: 'org/small:1' }, override: null } })],
  ['nulls for nothing', withRoute({ rewrite: null, keyQuery: null, cors: null })],
]
