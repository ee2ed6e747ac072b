import { answerId, answerText, argumentsText, argumentsToken, promptTokens, toolToCall } from './ask.ts'
import type { Ask, Reply } from './ask.ts'
import { namedEvent } from './event-script.ts'
import type { EventScript, Frame } from './event-script.ts'
import { badRequest } from './problem.ts'
import { tokenText } from './seeded.ts'

/** `POST /v1/messages`. */
export function message(ask: Ask): Reply {
  const { body } = ask
  if (!Array.isArray(body['messages'])) return badRequest('messages: Field required')
  if (typeof body['max_tokens'] !== 'number') return badRequest('max_tokens: Field required')
  if (body['stream'] === true) return { script: messageScript(ask) }
  return { json: messageJson(ask), tokens: ask.directive.tokens }
}

/** `POST /v1/messages/count_tokens`. */
export function tokenCount(ask: Ask): Reply {
  if (!Array.isArray(ask.body['messages'])) return badRequest('messages: Field required')
  return { json: JSON.stringify({ input_tokens: inputTokens(ask) }), tokens: 0 }
}

function messageJson(ask: Ask): string {
  const tool = toolToCall(ask)
  const block =
    tool === undefined
      ? { type: 'text', text: answerText(ask.directive) }
      : { ...toolUse(ask, tool), input: JSON.parse(argumentsText(ask.directive)) as unknown }
  return JSON.stringify({ ...envelope(ask, ask.directive.tokens), content: [block], ...stop(tool) })
}

function messageScript(ask: Ask): EventScript {
  const { directive } = ask
  const { seed, sizeBytes, tokens } = directive
  const tool = toolToCall(ask)
  const block = tool === undefined ? { type: 'text', text: '' } : { ...toolUse(ask, tool), input: {} }
  const text = (i: number) => `{"type":"text_delta","text":"${tokenText(seed, i, sizeBytes)}"}`
  const json = (i: number) =>
    `{"type":"input_json_delta","partial_json":${JSON.stringify(argumentsToken(directive, i))}}`
  const delta = tool === undefined ? text : json
  return {
    head: [
      event('message_start', () => ({ message: { ...envelope(ask, 1), content: [], ...stop(null) } })),
      event('content_block_start', () => ({ index: 0, content_block: block })),
      event('ping', () => ({})),
    ],
    early: 3,
    token: (i, stamp) =>
      namedEvent(
        'content_block_delta',
        `{"type":"content_block_delta","index":0,"delta":${delta(i)},${stamp}}`,
      ),
    tail: [
      event('content_block_stop', () => ({ index: 0 })),
      event('message_delta', () => ({ delta: stop(tool), usage: usage(ask, tokens) })),
      event('message_stop', () => ({})),
    ],
  }
}

function event(type: string, fields: () => object): Frame {
  return () => namedEvent(type, JSON.stringify({ type, ...fields() }))
}

function envelope(ask: Ask, outputTokens: number) {
  return {
    id: answerId('msg_', ask.directive),
    type: 'message',
    role: 'assistant',
    model: ask.model,
    usage: { ...usage(ask, outputTokens), service_tier: 'standard' },
  }
}

function toolUse(ask: Ask, name: string) {
  return { type: 'tool_use', id: answerId('toolu_', ask.directive), name }
}

/** Null: not stopped yet. */
function stop(tool: string | undefined | null) {
  const ended = tool === undefined ? 'end_turn' : 'tool_use'
  return { stop_reason: tool === null ? null : ended, stop_sequence: null }
}

function usage(ask: Ask, outputTokens: number) {
  return {
    input_tokens: inputTokens(ask),
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    output_tokens: outputTokens,
  }
}

function inputTokens(ask: Ask): number {
  return promptTokens(ask.body['system'], ask.body['messages'])
}
