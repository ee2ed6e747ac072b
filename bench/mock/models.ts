import { CREATED_S } from './ask.ts'
import type { Dialect } from './target.ts'

const IDS: Readonly<Record<Dialect, readonly string[]>> = {
  openai: ['gpt-mock', 'gpt-mock-mini', 'text-embedding-mock', 'mock/ttft=50,itl=10,n=64'],
  anthropic: ['claude-mock', 'claude-mock-mini', 'mock/ttft=50,itl=10,n=64'],
  http: [],
}

/** `GET /v1/models`. */
export function modelList(dialect: Dialect): string {
  const ids = IDS[dialect]
  const data = ids.map((id) => modelObject(dialect, id))
  if (dialect !== 'anthropic') return JSON.stringify({ object: 'list', data })
  return JSON.stringify({ data, has_more: false, first_id: ids.at(0) ?? null, last_id: ids.at(-1) ?? null })
}

/** `GET /v1/models/{id}`: every id is a model here. */
export function modelJson(dialect: Dialect, id: string): string {
  return JSON.stringify(modelObject(dialect, id))
}

function modelObject(dialect: Dialect, id: string) {
  if (dialect !== 'anthropic') return { id, object: 'model', created: CREATED_S, owned_by: 'mock' }
  return { type: 'model', id, display_name: id, created_at: new Date(CREATED_S * 1000).toISOString() }
}
