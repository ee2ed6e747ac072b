import type { DialectName } from '../config/types.ts'
import { isJsonObject, parseJson } from '../json.ts'

type Entry = Readonly<Record<string, unknown>> & { readonly id: string }

/** What a key sees of an upstream's models. */
export interface ModelView {
  readonly dialect: DialectName
  /** Whether the key may use a model, by the name the upstream has for it. */
  allows(model: string): boolean
  /** The route's own names for models. */
  readonly aliases: Readonly<Record<string, string>>
}

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/**
 * The body of `GET /v1/models` (OpenAI or Anthropic) as one key sees it: models that it may use, then the aliases of
 * such models as copies of their entries. An alias of a model the upstream does not list has an entry with nothing but
 * what the dialect demands. An upstream's model with the name of an alias is left out, for the alias stands in its
 * way. Entries without a name are left out; all other members stay.
 *
 * Of a page with more to come, `last_id` stays a name the upstream knows, so that the next page can be asked for, and
 * aliases of models on other pages are left out: ask the upstream for all models at once.
 *
 * @returns null when the body is no list of models
 */
export function filterModels(body: Uint8Array, view: ModelView): Uint8Array | null {
  const list = parseJson(decoder.decode(body))
  if (!isJsonObject(list) || !Array.isArray(list['data'])) return null
  const entries = (list['data'] as unknown[]).filter(isEntry)
  const own = entries.filter(({ id }) => !Object.hasOwn(view.aliases, id) && view.allows(id))
  const hasMore = list['has_more'] === true
  const data = [...own, ...aliasEntries(entries, hasMore, view)]
  const cursors = cursorsOf(list, hasMore && own.length > 0 ? own : data, hasMore)
  return encoder.encode(JSON.stringify({ ...list, data, ...cursors }))
}

function isEntry(value: unknown): value is Entry {
  return isJsonObject(value) && typeof value['id'] === 'string'
}

function aliasEntries(entries: readonly Entry[], hasMore: boolean, view: ModelView): readonly Entry[] {
  const byId = new Map(entries.map((entry) => [entry.id, entry]))
  return Object.entries(view.aliases).flatMap(([alias, model]) => {
    const target = byId.get(model)
    if (!view.allows(model) || (target === undefined && hasMore)) return []
    return [target === undefined ? bareEntry(alias, view.dialect) : renamed(target, alias)]
  })
}

/** A copy under another name; Anthropic's `display_name` goes on to tell which model it is. */
function renamed(target: Entry, alias: string): Entry {
  return { ...target, id: alias }
}

function bareEntry(id: string, dialect: DialectName): Entry {
  if (dialect === 'anthropic')
    return { type: 'model', id, display_name: id, created_at: '1970-01-01T00:00:00Z' }
  return { id, object: 'model', created: 0, owned_by: 'gateway' }
}

/** `first_id` and `last_id` where the list has them: null in an empty list that is the last. */
function cursorsOf(
  list: Readonly<Record<string, unknown>>,
  shown: readonly Entry[],
  hasMore: boolean,
): Readonly<Record<string, unknown>> {
  const cursors: Record<string, unknown> = {}
  if ('first_id' in list) cursors['first_id'] = shown[0]?.id ?? null
  if ('last_id' in list) cursors['last_id'] = shown.at(-1)?.id ?? (hasMore ? list['last_id'] : null)
  return cursors
}
