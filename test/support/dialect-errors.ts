import { expect } from 'vitest'
import type { DialectName } from '../../src/core/config/types.ts'
import type { RawAnswer } from './raw-client.ts'
import type { SseEvent } from './sse-reader.ts'

/** Stream formats: a dialect's, and the one of OpenAI Responses, which is shaped otherwise. */
export type StreamFormat = DialectName | 'responses'

const someText = expect.stringMatching(/./) as string
const anyId = expect.stringMatching(/^[0-9a-f]{32}$/) as string

/** Asserts that an answer is a whole refusal in the error shape of a dialect, with the request's id wherever one looks. */
export function expectRefusal(
  answer: RawAnswer,
  dialect: DialectName,
  { status, code }: { readonly status: number; readonly code: string },
): void {
  const requestId = answer.field(dialect === 'anthropic' ? 'request-id' : 'x-request-id')
  expect(requestId).toEqual(anyId)
  expect(answer).toMatchObject({ status, ended: 'complete' })
  expect(JSON.parse(answer.text)).toEqual(
    {
      openai: {
        error: { message: someText, type: someText, param: null, code, request_id: requestId },
      },
      anthropic: {
        type: 'error',
        error: { type: someText, message: someText, code },
        request_id: requestId,
      },
      http: {
        type: `urn:sluice:problem:${code}`,
        title: someText,
        status,
        detail: someText,
        code,
        request_id: requestId,
      },
    }[dialect],
  )
  const type = dialect === 'http' ? 'application/problem+json' : 'application/json'
  expect(answer.field('content-type')).toBe(type)
}

/**
 * Asserts that an event is the error event of a stream format. Where a half event was completed into it, members of that
 * one may stand beside; a JSON reader takes the last of two equal names.
 */
export function expectErrorEvent(event: SseEvent | undefined, format: StreamFormat, code: string): void {
  const named = format !== 'openai'
  expect(event?.event).toBe(named ? 'error' : 'message')
  expect(JSON.parse(event?.data ?? 'null')).toMatchObject(
    {
      openai: { error: { message: someText, code, request_id: anyId } },
      responses: { type: 'error', code, message: someText, error: { message: someText } },
      anthropic: { type: 'error', error: { type: someText, message: someText }, request_id: anyId },
      http: { code, detail: someText, request_id: anyId },
    }[format],
  )
}
