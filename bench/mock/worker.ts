import type { BodyDigest } from './call.ts'
import { createMock } from './core.ts'
import { wait } from './wait.ts'

/** The mock as a Worker. Its counters are the isolate's own: exact in one local workerd, a sample when deployed. */
const mock = createMock({ now: () => Date.now(), wait, digest: streamDigest })

export default { fetch: (request: Request): Promise<Response> => mock.fetch(request) }

/** workerd's own way to hash a stream; Node has none under this name. */
interface DigestStream extends WritableStream<Uint8Array> {
  readonly digest: Promise<ArrayBuffer>
}

function streamDigest(): BodyDigest {
  const { DigestStream } = crypto as unknown as { DigestStream: new (algorithm: string) => DigestStream }
  const stream = new DigestStream('SHA-256')
  const writer = stream.getWriter()
  return {
    update: (piece) => writer.write(piece),
    hex: async () => {
      await writer.close()
      return [...new Uint8Array(await stream.digest)]
        .map((byte) => byte.toString(16).padStart(2, '0'))
        .join('')
    },
  }
}
