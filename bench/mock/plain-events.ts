import { eventsAnswer, problemAnswer } from './answer.ts'
import type { Answer, Exchange } from './answer.ts'
import { isFault, readKey } from './directive.ts'
import { tokenText } from './seeded.ts'

const QUERY_KEYS = ['n', 'itl', 'ttft', 'size', 'seed']

/** `GET /sse?n=&itl=&size=`: plain server-sent events of no provider's kind, `id:` counting from 0. */
export function sse(x: Exchange): Answer {
  const query = new URLSearchParams(x.call.query)
  const directive = { ...x.directive }
  for (const key of QUERY_KEYS) {
    const value = query.get(key)
    const patch = value === null ? {} : readKey(key, value)
    if (isFault(patch)) return problemAnswer(x, { status: 400, message: patch.fault, param: key, code: null })
    Object.assign(directive, patch)
  }
  const { seed, sizeBytes } = directive
  const token = (i: number, stamp: string) =>
    `id: ${i}\ndata: {"text":"${tokenText(seed, i, sizeBytes)}",${stamp}}\n\n`
  return eventsAnswer({ ...x, directive }, { head: [], early: 0, token, tail: [] })
}
