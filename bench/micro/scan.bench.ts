/**
 * A module for `workerd bench`: what it costs to understand and change the JSON body of an LLM request, by scanning its
 * bytes and by parsing it. Names are `what-kind-size`; divide by the bytes of `bodies` for nanoseconds per byte.
 *
 * `scan`: find and check. `splice`: scan, then another model and usage asked for. `rewrite`: the same on chunks of 64 KB.
 * `parse`: a strict decoding and `JSON.parse`, nothing changed. `restring`: the same, then changed, stringified, encoded.
 */
import { BodyRewriter } from '../../src/core/llm/body-rewriter.ts'
import { scanBody } from '../../src/core/llm/body-scan.ts'
import { type RewritePlan, rewriteBody } from '../../src/core/llm/body-splice.ts'
import { isRefusal } from '../../src/core/outcome.ts'
import { makeLlmBody, type LlmBodyKind } from './llm-bodies.ts'

interface Bench {
  run(name: string, measured: () => unknown): void
  blackBox(value: unknown): void
}

interface ChatBody {
  model: string
  stream?: boolean
  stream_options?: { include_usage: boolean }
}

const kinds: readonly LlmBodyKind[] = ['agent', 'doc', 'cjk', 'tokens', 'escapes']
const sizes = [
  ['1k', 1_000],
  ['100k', 100_000],
  ['1m', 1_000_000],
] as const
const chunkBytes = 64 * 1024
const otherModel = 'another-model-2026'

const plan: RewritePlan = { edits: new Map([['model', () => otherModel]]), askForUsage: true }
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function splice(body: Uint8Array): Uint8Array {
  const scan = scanBody(body)
  if (isRefusal(scan)) throw new Error(JSON.stringify(scan))
  const spliced = rewriteBody(body, scan, plan)
  if (isRefusal(spliced)) throw new Error(JSON.stringify(spliced))
  return spliced
}

function rewrite(body: Uint8Array): Uint8Array[] {
  const rewriter = new BodyRewriter(plan)
  const sent: Uint8Array[] = []
  for (let at = 0; at < body.length; at += chunkBytes) {
    const pieces = rewriter.push(body.subarray(at, at + chunkBytes))
    if (isRefusal(pieces)) throw new Error(JSON.stringify(pieces))
    sent.push(...pieces)
  }
  if (isRefusal(rewriter.end())) throw new Error('the body is not whole')
  return sent
}

function restring(body: Uint8Array): Uint8Array {
  const value = JSON.parse(decoder.decode(body)) as ChatBody
  value.model = otherModel
  if (value.stream === true) value.stream_options = { include_usage: true }
  return encoder.encode(JSON.stringify(value))
}

/** The ways are only compared if they do the same. */
function checkSame(name: string, body: Uint8Array): void {
  const text = decoder.decode(splice(body))
  const rewritten = rewrite(body)
    .map((piece) => String.fromCharCode(...piece.subarray(0, 64)))
    .join('')
  const wanted = JSON.stringify(JSON.parse(decoder.decode(restring(body))))
  if (JSON.stringify(JSON.parse(text)) !== wanted || !rewritten.includes(otherModel)) {
    throw new Error(`${name} is not rewritten alike`)
  }
}

export default {
  bench(b: Bench): void {
    for (const kind of kinds) {
      for (const [size, bytes] of sizes) {
        const body = makeLlmBody(kind, bytes)
        const name = `${kind}-${size}`
        checkSame(name, body)
        b.run(`scan-${name}`, () => b.blackBox(scanBody(body)))
        b.run(`splice-${name}`, () => b.blackBox(splice(body)))
        b.run(`rewrite-${name}`, () => b.blackBox(rewrite(body)))
        b.run(`parse-${name}`, () => b.blackBox(JSON.parse(decoder.decode(body))))
        b.run(`restring-${name}`, () => b.blackBox(restring(body)))
      }
    }
  },
}
