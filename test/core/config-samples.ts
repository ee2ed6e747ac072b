/** A document by which single settings are tried: every list and object of it may be changed. */
export interface Draft {
  version: unknown
  gateway?: unknown
  upstreams: Record<string, Record<string, unknown>>
  routes: Record<string, unknown>[]
  [other: string]: unknown
}

export function sampleDocument(): Draft {
  return {
    version: 1,
    upstreams: {
      llm: { dialect: 'openai', targets: [{ origin: 'https://llm.example', secret: { secret: 'LLM_KEY' } }] },
      plain: { dialect: 'http', targets: [{ origin: 'http://127.0.0.1:8080/base' }] },
    },
    routes: [
      { id: 'chat', path: '/v1/chat', methods: ['POST'], upstream: 'llm' },
      { id: 'files', path: '/files/{id}/*', upstream: 'plain', rewrite: '/{id}/*' },
    ],
  }
}

/** The sample, changed. */
export function withDocument(change: (draft: Draft) => void): Draft {
  const draft = sampleDocument()
  change(draft)
  return draft
}

/** The sample with one route's fields put over its own. */
export function withRoute(fields: Record<string, unknown>, at = 0): Draft {
  const draft = sampleDocument()
  Object.assign(draft.routes[at] ?? {}, fields)
  return draft
}

/** The sample with the first target of `llm` changed. */
export function withTarget(fields: Record<string, unknown>): Draft {
  const draft = sampleDocument()
  draft.upstreams['llm'] = { dialect: 'openai', targets: [{ origin: 'https://llm.example', ...fields }] }
  return draft
}
