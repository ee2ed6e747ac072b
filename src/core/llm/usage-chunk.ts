import { joinBytes } from '../join-bytes.ts'
import { isJsonObject, parseJson } from '../json.ts'
import { eventOf } from './usage-event.ts'

/** One character a byte, so that lengths of text are lengths of bytes. */
const latin1 = new TextDecoder('latin1')
/** An event with the blank line that ends it; at the end of a text, what is left. */
const eventWithEnd = /[^]*?(?:\r\n|\n|\r(?!\n)){2}|[^]+$/g
const usageObject = /"usage"\s*:\s*\{/

/**
 * A block of whole events without the chunk that OpenAI's `include_usage` adds: usage and no choices. Usage
 * that rides on a chunk with choices stays, and so does every other byte.
 *
 * @returns the block itself when there is nothing to strip
 */
export function withoutUsageChunk(block: Uint8Array): Uint8Array {
  const text = latin1.decode(block)
  if (!usageObject.test(text)) return block
  const kept: Uint8Array[] = []
  let at = 0
  for (const event of text.match(eventWithEnd) ?? []) {
    if (!isUsageChunk(event)) kept.push(block.subarray(at, at + event.length))
    at += event.length
  }
  return joinBytes(kept)
}

function isUsageChunk(event: string): boolean {
  const chunk = parseJson(eventOf(event).data)
  if (!isJsonObject(chunk) || !isJsonObject(chunk['usage'])) return false
  const choices = chunk['choices'] ?? []
  return Array.isArray(choices) && choices.length === 0 && !('error' in chunk)
}
