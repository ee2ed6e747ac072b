/** Good documents that use everything a document can say. */
export const documents: readonly unknown[] = [
  {
    version: 1,
    upstreams: {
      llm: { dialect: 'openai', targets: [{ origin: 'https://llm.example', secret: { secret: 'LLM_KEY' } }] },
      plain: { dialect: 'http', targets: [{ origin: 'http://127.0.0.1:8080/base' }] },
    },
    routes: [
      { id: 'chat', path: '/v1/chat', methods: ['POST'], upstream: 'llm' },
      { id: 'files', path: '/files/{id}/*', upstream: 'plain', rewrite: '/{id}/*' },
    ],
  },
  {
    $schema: './docs/sluice.schema.json',
    version: 1,
    gateway: { name: 'edge-1', clientAddress: 'none', serverTiming: false, log: { sample: 0.1 } },
    upstreams: {
      claude: {
        dialect: 'anthropic',
        timeouts: { firstByteMs: 1000, idleMs: 1000, totalMs: 2000 },
        targets: [
          {
            origin: 'https://x.example:8443/a/b/',
            secret: { secret: 'a', header: 'X-Key', prefix: 'Key ' },
            timeouts: { idleMs: 5 },
          },
          { origin: 'https://y.example', secret: null },
        ],
      },
    },
    routes: [
      {
        id: 'messages',
        host: '*.example.com',
        path: '/v1/messages',
        methods: ['POST', 'OPTIONS'],
        upstream: 'claude',
        auth: 'optional',
        keySources: ['x-api-key'],
        keyQuery: 'api_key',
        bodyBytesMax: 1000,
        bodyMs: 1000,
        headers: {
          request: { remove: ['X-A'], set: { Accept: 'a, b', 'x-empty': '' } },
          response: { remove: ['server'], set: { 'cache-control': 'no-store' } },
        },
        cors: { origins: ['https://a.example'], allowHeaders: ['X-A'], credentials: true, maxAgeSeconds: 0 },
        models: { aliases: { fast: 'org/small:1' }, override: null },
        encodedSlash: true,
        websocket: true,
      },
    ],
  },
  { version: 1, upstreams: {}, routes: [] },
]
