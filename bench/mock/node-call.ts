import type { IncomingMessage } from 'node:http'
import type { Call, HeaderPair, TakePiece } from './call.ts'

/** Reads Node's request as a call, with the path and the header names as they came off the wire. */
export function callOfIncoming(request: IncomingMessage): Call {
  const { rawHeaders } = request
  const target = request.url ?? '/'
  const question = target.indexOf('?')
  return {
    method: request.method ?? 'GET',
    url: target.startsWith('/') ? `http://${request.headers.host ?? 'localhost'}${target}` : target,
    path: question < 0 ? target : target.slice(0, question),
    query: question < 0 ? '' : target.slice(question + 1),
    header: (name) => headerValue(request, name),
    headers: () => headerPairs(rawHeaders),
    eachPiece: (take) => eachPiece(request, take),
    text: () => bodyText(request),
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
}

function headerValue(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

function headerPairs(rawHeaders: string[]): HeaderPair[] {
  const pairs: HeaderPair[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2)
    pairs.push([rawHeaders[i] ?? '', rawHeaders[i + 1] ?? ''])
  return pairs
}

/**
 * Events instead of the iterator: reading a small body costs less, and a large one leaves half the garbage,
 * because the iterator joins what has piled up.
 */
function eachPiece(request: IncomingMessage, take: TakePiece): Promise<void> {
  if (!hasBody(request)) return Promise.resolve()
  return new Promise((resolve, reject) => {
    request.on('data', (piece: Buffer) => {
      const taken = take(piece)
      if (taken === undefined) return
      request.pause()
      taken.then(() => request.resume(), reject)
    })
    request.on('end', resolve)
    request.on('error', reject)
  })
}

async function bodyText(request: IncomingMessage): Promise<string> {
  const pieces: Uint8Array[] = []
  await eachPiece(request, (piece) => void pieces.push(piece))
  return Buffer.concat(pieces).toString()
}
