import {
  CREATED_S,
  answerId,
  answerText,
  argumentsText,
  argumentsToken,
  isRecord,
  promptTokens,
  toolToCall,
} from './ask.ts'
import type { Ask, Reply } from './ask.ts'
import { dataEvent } from './event-script.ts'
import type { EventScript, Frame } from './event-script.ts'
import { badRequest } from './problem.ts'
import { tokenText } from './seeded.ts'

const DONE: Frame = () => dataEvent('[DONE]')

/** `POST /v1/chat/completions`. */
export function chatCompletion(ask: Ask): Reply {
  const { body } = ask
  if (!Array.isArray(body['messages']))
    return badRequest("Missing required parameter: 'messages'.", 'messages')
  if (body['stream'] === true) return { script: chatScript(ask) }
  if (isRecord(body['stream_options'])) {
    return badRequest(
      "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
      'stream_options',
    )
  }
  return { json: chatJson(ask), tokens: ask.directive.tokens }
}

function chatJson(ask: Ask): string {
  const tool = toolToCall(ask)
  const message =
    tool === undefined
      ? { role: 'assistant', content: answerText(ask.directive), refusal: null, annotations: [] }
      : {
          role: 'assistant',
          content: null,
          refusal: null,
          annotations: [],
          tool_calls: [toolCall(ask, tool)],
        }
  return JSON.stringify({
    id: answerId('chatcmpl-', ask.directive),
    object: 'chat.completion',
    created: CREATED_S,
    model: ask.model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason(tool) }],
    usage: chatUsage(ask),
    service_tier: 'default',
    system_fingerprint: 'fp_mock',
  })
}

function chatScript(ask: Ask): EventScript {
  const { directive } = ask
  const tool = toolToCall(ask)
  const options = ask.body['stream_options']
  const withUsage = isRecord(options) && options['include_usage'] === true
  const chunk = chunkWriter(ask, withUsage ? '"usage":null,' : '')
  const finish: Frame = (stamp) => chunk('{}', finishReason(tool), stamp)
  const usage: Frame = (stamp) =>
    chunkWriter(ask, `"usage":${JSON.stringify(chatUsage(ask))},`)(null, null, stamp)
  const tail = withUsage ? [finish, usage, DONE] : [finish, DONE]
  if (tool === undefined) {
    const role: Frame = (stamp) => chunk('{"role":"assistant","content":"","refusal":null}', null, stamp)
    const { seed, sizeBytes } = directive
    const token = (i: number, stamp: string) =>
      chunk(`{"content":"${tokenText(seed, i, sizeBytes)}"}`, null, stamp)
    return { head: [role], early: 0, token, tail }
  }
  const role: Frame = (stamp) => chunk('{"role":"assistant","content":null}', null, stamp)
  const opening = JSON.stringify({ tool_calls: [{ index: 0, ...toolCall(ask, tool, '') }] })
  const token = (i: number, stamp: string) => {
    const piece = JSON.stringify(argumentsToken(directive, i))
    return chunk(`{"tool_calls":[{"index":0,"function":{"arguments":${piece}}}]}`, null, stamp)
  }
  return { head: [role, (stamp) => chunk(opening, null, stamp)], early: 0, token, tail }
}

/** A chunk writer with the unchanging part rendered once; a null delta is the usage chunk's empty `choices`. */
function chunkWriter(ask: Ask, usage: string) {
  const id = answerId('chatcmpl-', ask.directive)
  const start =
    `{"id":"${id}","object":"chat.completion.chunk","created":${CREATED_S},"model":${JSON.stringify(ask.model)},` +
    `"service_tier":"default","system_fingerprint":"fp_mock",${usage}"choices":[`
  return (delta: string | null, finish: string | null, stamp: string): string => {
    if (delta === null) return dataEvent(`${start}],${stamp}}`)
    const reason = finish === null ? 'null' : `"${finish}"`
    return dataEvent(
      `${start}{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${reason}}],${stamp}}`,
    )
  }
}

function toolCall(ask: Ask, name: string, args = argumentsText(ask.directive)) {
  return { id: answerId('call_', ask.directive), type: 'function', function: { name, arguments: args } }
}

function finishReason(tool: string | undefined): string {
  return tool === undefined ? 'stop' : 'tool_calls'
}

function chatUsage(ask: Ask) {
  const prompt = promptTokens(ask.body['messages'])
  const { tokens } = ask.directive
  return {
    prompt_tokens: prompt,
    completion_tokens: tokens,
    total_tokens: prompt + tokens,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  }
}
