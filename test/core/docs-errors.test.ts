import { describe, expect, it } from 'vitest'
import { dialectOf } from '../../src/core/dialect/dialect.ts'
import { describeRefusal, type Refusal } from '../../src/core/refusal.ts'
import page from '../../docs/errors.md?raw'

const { default: catalogue } = await import('../../src/core/refusal.ts?raw')

/** Every member that any refusal has, so that each can be described. */
const members = {
  detail: 'The path is odd; mend it.',
  bytesMax: 1,
  fieldsMax: 1,
  allow: ['GET'],
  retryAfterMs: 1,
  model: 'm',
  found: 'a body of another content-type',
  afterMs: 1,
  upstreamStatus: 529,
  secret: 'NAME',
  retryAfter: null,
  violated: ['rpm'],
  waitMs: 1,
  standings: [],
  asked: 2,
  max: 1,
}

const codes = [...catalogue.matchAll(/readonly refused: '(\w+)'/g)].map(([, code = '']) => code)

const rows = page
  .slice(page.indexOf('## Codes'), page.indexOf("## What an upstream's own"))
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split('|').map((cell) => cell.trim()))

describe('the page on errors', () => {
  it('lists the codes of the catalogue in its order, and no other', () => {
    expect(codes).toContain('no_route')
    expect(rows.map(([, code]) => code)).toEqual(codes.map((code) => `\`${code}\``))
  })

  it.each(codes)('says of %s the status it has and whether to try again', (code) => {
    const facts = describeRefusal({ ...members, refused: code } as unknown as Refusal)
    const [, , status, again, when = ''] = rows.find(([, name]) => name === `\`${code}\``) ?? []
    expect(status).toBe(facts.status === members.upstreamStatus ? "the upstream's" : String(facts.status))
    expect(again).toBe(facts.retryable ? 'yes' : 'no')
    expect(when).not.toBe('')
  })

  it.each(['openai', 'anthropic', 'http'] as const)('shows the shape of the %s dialect as it is', (name) => {
    const example = new RegExp(`^\`${name}\`, \`(\\S+)\`.*?\`\`\`json\n(.*?)\`\`\``, 'ms').exec(page)
    const [, contentType, text = ''] = example ?? []
    const shown = JSON.parse(text) as { request_id: string; error?: { request_id?: string } }
    const requestId = shown.request_id ?? shown.error?.request_id
    const made = dialectOf(name).errorBody(describeRefusal({ refused: 'key_missing' }), requestId)
    expect([contentType, shown]).toEqual([made.contentType, JSON.parse(made.body)])
  })
})

describe('the page on streams', () => {
  it('shows the error event of an OpenAI stream as it is', async () => {
    const { default: streams } = await import('../../docs/streams.md?raw')
    const text = /data: (\{"error".*\})\n\n```/.exec(streams)?.[1] ?? ''
    const shown = JSON.parse(text) as { error: { request_id: string } }
    const facts = describeRefusal({ refused: 'upstream_broke_off' })
    const { data } = dialectOf('openai').errorEvent(facts, shown.error.request_id, '/v1/chat/completions')
    expect(shown).toEqual(data)
  })
})
