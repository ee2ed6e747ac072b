export type HeaderPair = [name: string, value: string]

/** A promise holds the next piece back. */
export type TakePiece = (piece: Uint8Array) => void | Promise<void>

/** A request as the mock sees it, whoever carries it: Node's http server or a Worker. */
export interface Call {
  readonly method: string
  /** Absolute, as the client sent it. */
  readonly url: string
  /** As on the wire: dot segments and percent signs are left alone where the host shows them. */
  readonly path: string
  /** Without the question mark, undecoded. */
  readonly query: string
  readonly header: (name: string) => string | undefined
  readonly headers: () => HeaderPair[]
  /** Hands over the body piece by piece as it comes, and resolves at its end. */
  readonly eachPiece: (take: TakePiece) => Promise<void>
  readonly text: () => Promise<string>
}

/** Hashes a body piece by piece; each runtime has its own way to do that without holding the body. */
export interface BodyDigest {
  readonly update: TakePiece
  readonly hex: () => string | Promise<string>
}

/** Reads a web `Request` as a call. */
export function callOfRequest(request: Request): Call {
  const { pathname, search } = new URL(request.url)
  return {
    method: request.method,
    url: request.url,
    path: pathname,
    query: search.slice(1),
    header: (name) => request.headers.get(name) ?? undefined,
    headers: () => [...request.headers],
    eachPiece: (take) => eachPiece(request, take),
    text: () => request.text(),
  }
}

async function eachPiece(request: Request, take: TakePiece): Promise<void> {
  for await (const piece of request.body ?? []) {
    const taken = take(piece)
    if (taken !== undefined) await taken
  }
}
