import { jsonAnswer, problemAnswer, streamHeadTime } from './answer.ts'
import type { Answer, Exchange } from './answer.ts'
import { badRequest } from './problem.ts'
import { providerHeaders } from './provider-headers.ts'
import { PIECE_BYTES_MAX, patternBytes } from './seeded.ts'
import { pieceSource } from './source.ts'

const BODILESS_STATUSES: ReadonlySet<number> = new Set([204, 205, 304])

/** What reached us, as JSON. The body is hashed as it comes and never held. */
export async function echo(x: Exchange): Promise<Answer> {
  const { method, url, path, query } = x.call
  const hash = x.digest()
  let bodyBytes = 0
  await x.call.eachPiece((piece) => {
    bodyBytes += piece.length
    return hash.update(piece)
  })
  const bodySha256 = await hash.hex()
  const headers = x.call.headers()
  return jsonAnswer(x, 200, JSON.stringify({ method, url, path, query, headers, bodyBytes, bodySha256 }))
}

/** `GET /bytes/{n}?chunk=&chunked=1&delay=`: n bytes of the pattern, read at the client's pace. */
export function bytes(x: Exchange, total: number): Answer {
  const query = new URLSearchParams(x.call.query)
  const chunk = Number(query.get('chunk') ?? 65_536)
  const delayMs = Number(query.get('delay') ?? x.directive.itlMs)
  if (!Number.isSafeInteger(total) || total < 0)
    return problemAnswer(x, badRequest('n must be a whole number'))
  if (!Number.isInteger(chunk) || chunk < 1 || chunk > PIECE_BYTES_MAX || !(delayMs >= 0)) {
    return problemAnswer(x, badRequest(`chunk must be 1 to ${PIECE_BYTES_MAX}, delay a number of ms`))
  }
  const length = query.get('chunked') === '1' ? [] : ['content-length', String(total)]
  const type = ['content-type', 'application/octet-stream']
  return piecesAnswer(x, {
    headers: [...length, ...type],
    total: Math.ceil(total / chunk),
    piece: (index) => patternBytes(index * chunk, Math.min(chunk, total - index * chunk)),
    delayMs,
    alone: delayMs > 0,
  })
}

/** `/status/{code}`. */
export function status(x: Exchange, code: number): Answer {
  if (!(code >= 200 && code <= 599)) return problemAnswer(x, badRequest('The status must be 200 to 599.'))
  const answer = jsonAnswer(x, code, JSON.stringify({ status: code }))
  return BODILESS_STATUSES.has(code) ? { ...answer, headers: answer.headers.slice(2), body: null } : answer
}

/** `/redirect?to=URL&status=302`. */
export function redirect(x: Exchange): Answer {
  const query = new URLSearchParams(x.call.query)
  const to = query.get('to')
  const code = Number(query.get('status') ?? 302)
  if (to === null || !(code >= 300 && code <= 399)) {
    return problemAnswer(x, badRequest('to is required, and status must be 300 to 399'))
  }
  const answer = jsonAnswer(x, code, JSON.stringify({ to }))
  return { ...answer, headers: ['location', to, ...answer.headers] }
}

const EOLS: Readonly<Record<string, string>> = { lf: '\n', crlf: '\r\n', cr: '\r' }

/** `POST /replay?size=&eol=`: the posted body as an event stream, `size` bytes a write. */
export async function replay(x: Exchange): Promise<Answer> {
  const query = new URLSearchParams(x.call.query)
  const size = Number(query.get('size') ?? 65_536)
  const eol = query.get('eol')
  if (!Number.isInteger(size) || size < 1 || (eol !== null && EOLS[eol] === undefined)) {
    return problemAnswer(x, badRequest('size must be a whole number from 1, eol one of lf, crlf, cr'))
  }
  const posted = await bodyOf(x)
  const body = eol === null ? posted : withEol(posted, EOLS[eol] ?? '\n')
  return piecesAnswer(x, {
    headers: ['content-type', 'text/event-stream'],
    total: Math.ceil(body.length / size),
    piece: (index) => body.subarray(index * size, (index + 1) * size),
    delayMs: x.directive.itlMs,
    alone: true,
  })
}

interface Pieces {
  readonly headers: string[]
  readonly total: number
  readonly delayMs: number
  readonly alone: boolean
  readonly piece: (index: number) => Uint8Array
}

function piecesAnswer(x: Exchange, pieces: Pieces): Answer {
  const { cutAfter, stallAfter, ttftMs } = x.directive
  const dueMs = (index: number) => x.t0Ms + ttftMs + index * pieces.delayMs
  const plan = { total: pieces.total, cutAfter, stallAfter, dueMs, render: pieces.piece }
  const headers = [...pieces.headers, ...providerHeaders(x.target.dialect, x.requestId)]
  return {
    status: 200,
    headers,
    headAtMs: streamHeadTime(x),
    body: pieceSource(plan, pieces.alone),
    tokens: 0,
  }
}

async function bodyOf(x: Exchange): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  await x.call.eachPiece((piece) => void pieces.push(piece))
  return new Uint8Array(await new Blob(pieces as BlobPart[]).arrayBuffer())
}

function withEol(body: Uint8Array, eol: string): Uint8Array {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(body)
  return new TextEncoder().encode(text.replace(/\r\n|\r|\n/g, eol))
}
