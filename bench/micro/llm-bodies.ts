/**
 * Kinds of bodies of LLM requests. `agent`: a coding agent (tool schemas, short turns, tool results of some 3 KB of
 * code), `doc`: one long English text, `cjk`: one long Chinese text, `tokens`: an array of token numbers, `escapes`:
 * Chinese text as some clients write it, in `\u` escapes.
 */
export type LlmBodyKind = 'agent' | 'doc' | 'cjk' | 'tokens' | 'escapes'

const encoder = new TextEncoder()
const english = 'The committee met again on Tuesday, and after a long debate it adopted the second draft. '
const chinese = '委员会星期二再次开会,经过长时间的讨论,通过了第二份草案。'
const code = [
  "import { readFile } from 'node:fs/promises'\n\n",
  'export async function load(path: string): Promise<string[]> {\n',
  '  const text = await readFile(path, "utf8")\n',
  '  return text.split(\'\\n\').filter((line) => line !== "")\n',
  '}\n\n',
].join('')

/** A body of about so many bytes; always the same one. */
export function makeLlmBody(kind: LlmBodyKind, bytes: number): Uint8Array {
  const text = JSON.stringify({
    model: 'some-model',
    ...contentOf(kind, bytes),
    max_tokens: 1024,
    stream: true,
  })
  return encoder.encode(kind === 'escapes' ? escaped(text) : text)
}

function contentOf(kind: LlmBodyKind, bytes: number): object {
  if (kind === 'agent') return { tools: makeTools(Math.min(20, bytes / 5_000)), messages: makeTurns(bytes) }
  if (kind === 'tokens')
    return { input: Array.from({ length: bytes / 6 }, (_, at) => 10_000 + ((at * 7_919) % 89_999)) }
  const [text, unit] = kind === 'doc' ? [english, english.length] : [chinese, chinese.length * 3]
  const content = text.repeat(Math.ceil(bytes / (kind === 'escapes' ? unit * 2 : unit)))
  return { messages: [{ role: 'user', content }] }
}

function makeTools(count: number): object[] {
  const path = { type: 'string', description: 'Path of the file, from the root of the project' }
  const parameters = { type: 'object', properties: { path, limit: { type: 'integer' } }, required: ['path'] }
  return Array.from({ length: count }, (_, at) => ({
    type: 'function',
    function: { name: `tool_${at}`, description: english.repeat(2), parameters },
  }))
}

function makeTurns(bytes: number): object[] {
  const turns: object[] = [{ role: 'system', content: english.repeat(bytes / 2_000) }]
  const results = bytes < 10_000 ? 1 : 12
  for (let size = 0, at = 0; size < bytes * 0.8; at += 1) {
    const id = `call_${at}`
    const call = { name: 'read_file', arguments: JSON.stringify({ path: `src/part-${at}.ts`, limit: 100 }) }
    const content = code.repeat(results)
    turns.push(
      { role: 'user', content: `Please look at part ${at} and say whether it is "right".` },
      { role: 'assistant', content: null, tool_calls: [{ id, type: 'function', function: call }] },
      { role: 'tool', tool_call_id: id, content },
    )
    size += content.length * 1.1 + 300
  }
  return turns
}

function escaped(text: string): string {
  return text.replaceAll(/[^\0-\x7f]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
