import { readAnswer } from '../llm/usage-answer.ts'
import { StreamUsage } from '../llm/usage-stream.ts'
import { splitEvents } from '../llm/usage-event.ts'

const decoder = new TextDecoder()

/** Whether a JSON answer of a model is whole and no error. */
export function isWholeAnswer(bytes: Uint8Array): boolean {
  try {
    JSON.parse(decoder.decode(bytes))
  } catch {
    return false
  }
  return readAnswer(bytes).kind === 'answer'
}

/** Whether an event stream came to its terminal event, and with no error. */
export function isWholeStream(bytes: Uint8Array): boolean {
  const usage = new StreamUsage()
  for (const event of splitEvents(decoder.decode(bytes))) usage.eventText(event)
  const { sawTerminal, endedWithError } = usage.reading()
  return sawTerminal && !endedWithError
}
