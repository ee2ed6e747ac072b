import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DialectName } from '../../src/core/config/types.ts'
import { FirstContent } from '../../src/core/stream/first-content.ts'

const encoder = new TextEncoder()
const chunk = (choice: object) => `data: ${JSON.stringify({ choices: [{ index: 0, ...choice }] })}\n\n`
const event = (data: { readonly type: string }) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`

const cases: readonly (readonly [string, DialectName, string, FirstContent['found']])[] = [
  ['nothing', 'openai', '', 'nothing'],
  ['a comment', 'openai', ': ping\n\n', 'nothing'],
  ['half an event', 'openai', chunk({ delta: { content: 'a' } }).slice(0, -1), 'nothing'],
  ['whose turn it is', 'openai', chunk({ delta: { role: 'assistant', content: '' } }), 'nothing'],
  ['text', 'openai', chunk({ delta: { content: 'a' } }), 'content'],
  [
    'text after a beginning',
    'openai',
    chunk({ delta: { role: 'assistant' } }) + chunk({ delta: { content: 'a' } }),
    'content',
  ],
  ['thought', 'openai', chunk({ delta: { reasoning_content: 'a' } }), 'content'],
  ['a call of a tool', 'openai', chunk({ delta: { tool_calls: [{ index: 0 }] } }), 'content'],
  ['an end', 'openai', chunk({ delta: {}, finish_reason: 'stop' }), 'content'],
  ['the mark of the end', 'openai', 'data: [DONE]\n\n', 'content'],
  ['a completion', 'openai', chunk({ text: 'a' }), 'content'],
  ['an error', 'openai', 'data: {"error":{"message":"overloaded"}}\n\n', 'error'],
  [
    'an error beside a choice',
    'openai',
    'data: {"error":{"code":1},"choices":[{"delta":{"content":""}}]}\n\n',
    'error',
  ],
  ['no error', 'openai', 'data: {"error":null,"choices":[{"delta":{"content":"a"}}]}\n\n', 'content'],
  [
    'a response made',
    'openai',
    event({ type: 'response.created' }) + event({ type: 'response.in_progress' }),
    'nothing',
  ],
  ['a response that says something', 'openai', event({ type: 'response.output_text.delta' }), 'content'],
  ['a response that failed', 'openai', event({ type: 'response.failed' }), 'error'],
  ['a message begun', 'anthropic', event({ type: 'message_start' }) + event({ type: 'ping' }), 'nothing'],
  ['a block begun', 'anthropic', event({ type: 'content_block_start' }), 'content'],
  ['an error of Messages', 'anthropic', event({ type: 'error' }), 'error'],
  ['an error by its name', 'http', 'event: error\ndata: x\n\n', 'error'],
  ['any data', 'http', 'data: x\n\n', 'content'],
  ['empty data', 'http', 'data:\n\n', 'nothing'],
  ['an event that is no data', 'http', 'event: x\nid: 1\n\n', 'nothing'],
]

describe('what a stream has said by its first events:', () => {
  it.each(cases)('%s', (_, dialect, text, found) => {
    for (const bytes of [text, text.replaceAll('\n', '\r\n')].map((each) => encoder.encode(each))) {
      const seen = new FirstContent(dialect)
      seen.push(bytes)
      expect(seen.found).toBe(found)
    }
  })

  it('the same however it is cut, and what was found stands', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...cases),
        fc.integer({ min: 1, max: 9 }),
        ([, dialect, text, found], size) => {
          const bytes = encoder.encode(text)
          const seen = new FirstContent(dialect)
          for (let at = 0; at < bytes.length; at += size) seen.push(bytes.subarray(at, at + size))
          expect(seen.found).toBe(found)
          seen.push(encoder.encode('data: {"error":1}\n\ndata: x\n\n'))
          if (found !== 'nothing') expect(seen.found).toBe(found)
        },
      ),
    )
  })
})
