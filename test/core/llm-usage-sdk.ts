/** What the official clients make of the same bytes. */
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'

/** Tokens as an official client reports them: input without and with the cache apart, as the dialect has it. */
export interface SdkUsage {
  readonly input: number
  readonly output: number
  readonly cached: number | null
  readonly reasoning: number | null
}

interface ChatUsage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly prompt_tokens_details?: { readonly cached_tokens?: number }
  readonly completion_tokens_details?: { readonly reasoning_tokens?: number }
}

const options = { apiKey: 'none', baseURL: 'https://provider.example/v1', maxRetries: 0 }

/** A `fetch` that answers with the bytes, in pieces. */
function answering(pieces: Iterable<Uint8Array>): typeof fetch {
  const iterator = pieces[Symbol.iterator]()
  return async () =>
    new Response(
      new ReadableStream<Uint8Array>({
        pull(controller) {
          const { done, value } = iterator.next()
          if (done === true) controller.close()
          else controller.enqueue(value.slice())
        },
      }),
      { headers: { 'content-type': 'text/event-stream' } },
    )
}

function ofChat(usage: ChatUsage | null | undefined): SdkUsage | null {
  if (usage === null || usage === undefined) return null
  return {
    input: usage.prompt_tokens,
    output: usage.completion_tokens,
    cached: usage.prompt_tokens_details?.cached_tokens ?? null,
    reasoning: usage.completion_tokens_details?.reasoning_tokens ?? null,
  }
}

/** The last usage that the iterated chunks bear; an error event ends the iteration. */
export async function chatUsage(pieces: Iterable<Uint8Array>): Promise<SdkUsage | null> {
  const client = new OpenAI({ ...options, fetch: answering(pieces) })
  let usage: SdkUsage | null = null
  try {
    const chunks = await client.chat.completions.create({ model: 'm', messages: [], stream: true })
    for await (const chunk of chunks) {
      const { x_groq: groq } = chunk as { x_groq?: { usage?: ChatUsage } }
      usage = ofChat(chunk.usage ?? groq?.usage) ?? usage
    }
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error
  }
  return usage
}

/** The usage of the response in the event that ends the stream. */
export async function responsesUsage(pieces: Iterable<Uint8Array>): Promise<SdkUsage | null> {
  const client = new OpenAI({ ...options, fetch: answering(pieces) })
  let usage: SdkUsage | null = null
  for await (const event of await client.responses.create({ model: 'm', input: '', stream: true })) {
    if (event.type !== 'response.completed' && event.type !== 'response.incomplete') continue
    const said = event.response.usage
    usage = said
      ? {
          input: said.input_tokens,
          output: said.output_tokens,
          cached: said.input_tokens_details?.cached_tokens ?? null,
          reasoning: said.output_tokens_details?.reasoning_tokens ?? null,
        }
      : null
  }
  return usage
}

/** The usage of `finalMessage()`; the cache's tokens belong to the input. */
export async function messageUsage(pieces: Iterable<Uint8Array>): Promise<SdkUsage | null> {
  const client = new Anthropic({ ...options, fetch: answering(pieces) })
  const { usage } = await client.messages
    .stream({ model: 'm', max_tokens: 1, messages: [{ role: 'user', content: '' }] })
    .finalMessage()
  return {
    input:
      usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
    output: usage.output_tokens,
    cached: usage.cache_read_input_tokens ?? null,
    reasoning: usage.output_tokens_details?.thinking_tokens ?? null,
  }
}
