import {
  CREATED_S,
  answerId,
  answerText,
  argumentsText,
  argumentsToken,
  promptTokens,
  toolToCall,
} from './ask.ts'
import type { Ask, Reply } from './ask.ts'
import { namedEvent } from './event-script.ts'
import type { EventScript, Frame } from './event-script.ts'
import { badRequest } from './problem.ts'
import { tokenText } from './seeded.ts'

/** `POST /v1/responses`. */
export function response(ask: Ask): Reply {
  const { input } = ask.body
  if (typeof input !== 'string' && !Array.isArray(input))
    return badRequest("Missing required parameter: 'input'.", 'input')
  if (ask.body['stream'] !== true)
    return { json: JSON.stringify(responseObject(ask, 'completed')), tokens: ask.directive.tokens }
  return { script: toolToCall(ask) === undefined ? textScript(ask) : toolScript(ask) }
}

function textScript(ask: Ask): EventScript {
  const { seed, sizeBytes, tokens } = ask.directive
  const itemId = answerId('msg_', ask.directive)
  const at = { item_id: itemId, output_index: 0, content_index: 0 }
  const start = `{"type":"response.output_text.delta","item_id":"${itemId}","output_index":0,"content_index":0,"logprobs":[],`
  return {
    head: [
      ...openingFrames(ask),
      event('response.output_item.added', 2, () => ({
        output_index: 0,
        item: messageItem(ask, 'in_progress'),
      })),
      event('response.content_part.added', 3, () => ({ ...at, part: part('') })),
    ],
    early: 2,
    token: (i, stamp) => {
      const data = `${start}"delta":"${tokenText(seed, i, sizeBytes)}","sequence_number":${4 + i},${stamp}}`
      return namedEvent('response.output_text.delta', data)
    },
    tail: [
      event('response.output_text.done', tokens + 4, () => ({
        ...at,
        logprobs: [],
        text: answerText(ask.directive),
      })),
      event('response.content_part.done', tokens + 5, () => ({
        ...at,
        part: part(answerText(ask.directive)),
      })),
      event('response.output_item.done', tokens + 6, () => ({
        output_index: 0,
        item: messageItem(ask, 'completed'),
      })),
      event('response.completed', tokens + 7, () => ({ response: responseObject(ask, 'completed') })),
    ],
  }
}

function toolScript(ask: Ask): EventScript {
  const { tokens } = ask.directive
  const at = { item_id: answerId('fc_', ask.directive), output_index: 0 }
  const start = `{"type":"response.function_call_arguments.delta","item_id":"${at.item_id}","output_index":0,`
  return {
    head: [
      ...openingFrames(ask),
      event('response.output_item.added', 2, () => ({ output_index: 0, item: callItem(ask, 'in_progress') })),
    ],
    early: 2,
    token: (i, stamp) => {
      const delta = JSON.stringify(argumentsToken(ask.directive, i))
      const data = `${start}"delta":${delta},"sequence_number":${3 + i},${stamp}}`
      return namedEvent('response.function_call_arguments.delta', data)
    },
    tail: [
      event('response.function_call_arguments.done', tokens + 3, () => ({
        ...at,
        name: toolToCall(ask),
        arguments: argumentsText(ask.directive),
      })),
      event('response.output_item.done', tokens + 4, () => ({
        output_index: 0,
        item: callItem(ask, 'completed'),
      })),
      event('response.completed', tokens + 5, () => ({ response: responseObject(ask, 'completed') })),
    ],
  }
}

function part(text: string) {
  return { type: 'output_text', annotations: [], logprobs: [], text }
}

function openingFrames(ask: Ask): Frame[] {
  return ['response.created', 'response.in_progress'].map((type, sequence) =>
    event(type, sequence, () => ({ response: responseObject(ask, 'in_progress') })),
  )
}

function event(type: string, sequence: number, fields: () => object): Frame {
  return () => namedEvent(type, JSON.stringify({ type, ...fields(), sequence_number: sequence }))
}

type Status = 'in_progress' | 'completed'

function messageItem(ask: Ask, status: Status) {
  const content = status === 'completed' ? [part(answerText(ask.directive))] : []
  return { id: answerId('msg_', ask.directive), type: 'message', status, role: 'assistant', content }
}

function callItem(ask: Ask, status: Status) {
  return {
    id: answerId('fc_', ask.directive),
    type: 'function_call',
    status,
    arguments: status === 'completed' ? argumentsText(ask.directive) : '',
    call_id: answerId('call_', ask.directive),
    name: toolToCall(ask),
  }
}

function responseObject(ask: Ask, status: Status) {
  const done = status === 'completed'
  const item = () => (toolToCall(ask) === undefined ? messageItem(ask, status) : callItem(ask, status))
  return {
    id: answerId('resp_', ask.directive),
    object: 'response',
    created_at: CREATED_S,
    status,
    background: false,
    error: null,
    incomplete_details: null,
    instructions: ask.body['instructions'] ?? null,
    max_output_tokens: null,
    model: ask.model,
    output: done ? [item()] : [],
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    service_tier: 'default',
    store: true,
    temperature: 1,
    text: { format: { type: 'text' }, verbosity: 'medium' },
    tool_choice: 'auto',
    tools: ask.body['tools'] ?? [],
    top_p: 1,
    truncation: 'disabled',
    usage: done ? responseUsage(ask) : null,
    user: null,
    metadata: {},
  }
}

function responseUsage(ask: Ask) {
  const input = promptTokens(ask.body['instructions'], ask.body['input'])
  const { tokens } = ask.directive
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: tokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: input + tokens,
  }
}
