import { invalidInput, type Problem } from './problem.ts'

/** Largest body the admin API takes. */
const bodyBytesMax = 65_536

const tooLarge: Problem = {
  status: 413,
  code: 'body_too_large',
  title: 'Body too large',
  detail: `The body may have at most ${bodyBytesMax} bytes.`,
}

const notJson: Problem = {
  status: 415,
  code: 'unsupported_media_type',
  title: 'Not JSON',
  detail: 'Send the body as `Content-Type: application/json`, without a content encoding.',
}

const jsonPattern = /^application\/json\s*(;|$)/i

/** A body that was read as JSON, or what is wrong with it. */
export type ReadBody = { readonly json: unknown } | { readonly problem: Problem }

/** Reads a request's body as JSON (RFC 8259, UTF-8), whatever length it claims to have. Never throws. */
export async function readJson(request: Request): Promise<ReadBody> {
  const { headers } = request
  if (!jsonPattern.test(headers.get('content-type') ?? '') || headers.has('content-encoding')) {
    return { problem: notJson }
  }
  if (Number(headers.get('content-length') ?? 0) > bodyBytesMax) return { problem: tooLarge }
  try {
    const bytes = await readBytes(request.body)
    if (bytes === null) return { problem: tooLarge }
    return {
      json: JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes)) as unknown,
    }
  } catch {
    return { problem: invalidInput([{ path: '$', expected: 'a JSON document', found: 'something else' }]) }
  }
}

async function readBytes(body: ReadableStream<Uint8Array> | null): Promise<Uint8Array | null> {
  const bytes = new Uint8Array(bodyBytesMax)
  let length = 0
  if (body === null) return bytes.subarray(0, 0)
  const reader = body.getReader()
  for (;;) {
    const read = await reader.read()
    if (read.done) return bytes.subarray(0, length)
    if (length + read.value.length > bodyBytesMax) {
      await reader.cancel()
      return null
    }
    bytes.set(read.value, length)
    length += read.value.length
  }
}
