import { Buffer } from 'node:buffer'
import type { DialectName } from '../../src/core/config/types.ts'
import type { RawRequest } from './raw-client.ts'

/** A way to ask an LLM. */
export type LlmFormatName = 'chat' | 'responses' | 'messages'

export interface LlmFormat {
  readonly name: LlmFormatName
  readonly dialect: Exclude<DialectName, 'http'>
  /** Path at the provider. */
  readonly path: string
  /** What a request must have beside its model. */
  readonly ask: Readonly<Record<string, unknown>>
}

const prompt = 'Grüße aus 東京'
const messages = [{ role: 'user', content: prompt }]

export const llmFormats: Readonly<Record<LlmFormatName, LlmFormat>> = {
  chat: { name: 'chat', dialect: 'openai', path: '/v1/chat/completions', ask: { messages } },
  responses: { name: 'responses', dialect: 'openai', path: '/v1/responses', ask: { input: prompt } },
  messages: {
    name: 'messages',
    dialect: 'anthropic',
    path: '/v1/messages',
    ask: { max_tokens: 100, messages },
  },
}

/** A request of a format. @param more members beside what the format demands; its model among them */
export function llmRequest(
  format: LlmFormat,
  { prefix = '', key, more }: { readonly prefix?: string; readonly key: string; readonly more: object },
): RawRequest & { readonly headers: Readonly<Record<string, string>>; readonly body: string } {
  return {
    method: 'POST',
    path: `${prefix}${format.path}`,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...format.ask, ...more }),
  }
}

/** The events of a stream with `\n` line ends, each with its blank line. */
export function eventTexts(stream: string | Uint8Array): readonly string[] {
  return (
    Buffer.from(stream)
      .toString()
      .match(/[^]*?\n\n/g) ?? []
  )
}

const stamped = /"mock":\{"i":(\d+),/

/** How many of the mock's tokens are in events that came whole; `tokens` is the directive's `n`. */
export function tokensIn(events: readonly string[], tokens: number): number {
  return events.filter((event) => Number(stamped.exec(event)?.[1] ?? Infinity) < tokens).length
}
