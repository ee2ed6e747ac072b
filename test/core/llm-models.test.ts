import { describe, expect, it } from 'vitest'
import { filterModels, type ModelView } from '../../src/core/llm/models-list.ts'

const openai = (...ids: string[]) => ({
  object: 'list',
  data: ids.map((id) => ({ id, object: 'model', created: 7, owned_by: 'x', shutdown_date: null })),
})

const anthropic = (ids: readonly string[], hasMore = false) => ({
  data: ids.map((id) => ({
    type: 'model',
    id,
    display_name: `The ${id}`,
    created_at: '2025-01-01T00:00:00Z',
  })),
  has_more: hasMore,
  first_id: ids[0] ?? null,
  last_id: ids.at(-1) ?? null,
})

function filtered(list: unknown, view: Partial<ModelView> = {}): Record<string, unknown> | null {
  const whole: ModelView = { dialect: 'openai', allows: () => true, aliases: {}, ...view }
  const text = typeof list === 'string' ? list : JSON.stringify(list)
  const body = filterModels(new TextEncoder().encode(text), whole)
  return body === null ? null : (JSON.parse(new TextDecoder().decode(body)) as Record<string, unknown>)
}

const entriesOf = (list: Record<string, unknown> | null) => (list ?? { data: [] })['data'] as { id: string }[]
const idsOf = (list: Record<string, unknown> | null) => entriesOf(list).map(({ id }) => id)
const allowing =
  (...ids: string[]) =>
  (id: string) =>
    ids.includes(id)

describe('a list of models', () => {
  it('of OpenAI keeps what the key may use, with all members', () => {
    const list = { ...openai('a', 'b', 'c'), extra: { kept: true } }
    expect(filtered(list, { allows: allowing('a', 'c') })).toEqual({ ...list, data: openai('a', 'c').data })
    expect(filtered(list)).toEqual(list)
  })

  it('of Anthropic has its cursors put right', () => {
    const list = anthropic(['a', 'b', 'c', 'd'])
    const only = filtered(list, { dialect: 'anthropic', allows: allowing('b', 'c') })
    expect(only).toEqual(anthropic(['b', 'c']))
  })

  it('of which the key may use none is empty', () => {
    expect(filtered(openai('a'), { allows: () => false })).toEqual({ object: 'list', data: [] })
    const empty = filtered(anthropic(['a']), { dialect: 'anthropic', allows: () => false })
    expect(empty).toEqual({ data: [], has_more: false, first_id: null, last_id: null })
  })

  it('shows an alias as a copy of its model, after the models', () => {
    const list = filtered(openai('a', 'b'), { aliases: { fast: 'b', slow: 'a' } })
    expect(idsOf(list)).toEqual(['a', 'b', 'fast', 'slow'])
    expect(entriesOf(list)[2]).toEqual({ ...openai('b').data[0], id: 'fast' })
  })

  it('shows an alias whose model the key may use, and hides one whose model it may not', () => {
    const list = filtered(openai('a', 'b'), { aliases: { fast: 'b', slow: 'a' }, allows: allowing('b') })
    expect(idsOf(list)).toEqual(['b', 'fast'])
  })

  it('shows an alias of a model that is not listed with what its dialect demands', () => {
    const aliases = { fast: 'hidden' }
    expect(filtered(openai(), { aliases })?.['data']).toEqual([
      { id: 'fast', object: 'model', created: 0, owned_by: 'gateway' },
    ])
    expect(filtered(anthropic([]), { aliases, dialect: 'anthropic' })).toEqual({
      data: [{ type: 'model', id: 'fast', display_name: 'fast', created_at: '1970-01-01T00:00:00Z' }],
      has_more: false,
      first_id: 'fast',
      last_id: 'fast',
    })
  })

  it('has one entry for an alias that has the name of a model, and it is the model it stands for', () => {
    const list = filtered(
      {
        data: [
          { id: 'a', n: 1 },
          { id: 'b', n: 2 },
        ],
      },
      { aliases: { a: 'b', b: 'b' } },
    )
    expect(list?.['data']).toEqual([
      { id: 'a', n: 2 },
      { id: 'b', n: 2 },
    ])
  })

  it('of a page with more to come can be turned: its last cursor is a name the upstream knows', () => {
    const page = anthropic(['a', 'b', 'c'], true)
    const view = { dialect: 'anthropic', aliases: { fast: 'a', gone: 'z' } } as const
    const some = filtered(page, { ...view, allows: allowing('a', 'b', 'z') })
    expect(idsOf(some)).toEqual(['a', 'b', 'fast'])
    expect(some).toMatchObject({ has_more: true, first_id: 'a', last_id: 'b' })
    const none = filtered(page, { ...view, allows: allowing('z') })
    expect(none).toMatchObject({ data: [], has_more: true, first_id: null, last_id: 'c' })
  })

  it('leaves out what has no name', () => {
    const list = filtered({ object: 'list', data: [{ id: 'a' }, { id: 7 }, null, 'b', [], {}] })
    expect(list).toEqual({ object: 'list', data: [{ id: 'a' }] })
  })

  it('is not led astray by names that mean something to JavaScript', () => {
    const list = filtered(openai('constructor', 'toString'), { aliases: { hasOwnProperty: 'toString' } })
    expect(idsOf(list)).toEqual(['constructor', 'toString', 'hasOwnProperty'])
  })

  it.each([
    ['no JSON', '<html>'],
    ['nothing', ''],
    ['a bare list', []],
    ['no data', { object: 'list' }],
    ['data that is no list', { data: {} }],
    ['null', null],
    ['cut off', '{"data":[{"id":"a"}'],
  ])('that is malformed is none: %s', (_, body) => {
    expect(filtered(body)).toBeNull()
  })

  it('may begin with a byte order mark and hold any characters', () => {
    expect(filtered(`\u{feff}${JSON.stringify({ data: [{ id: 'a', name: 'Žluť 😀' }] })}`)).toEqual({
      data: [{ id: 'a', name: 'Žluť 😀' }],
    })
  })
})
