import { readFileSync } from 'node:fs'
import { answerHead, wholeAnswer, type Script } from './scripted-upstream.ts'

/** The kinds of routes: what may be sent again follows from method, dialect and the route's word. */
const kinds = {
  plain: { dialect: 'http' },
  buffered: { dialect: 'http', resend: { bufferBytes: 100_000 } },
  unsafe: { dialect: 'http', resend: { bufferBytes: 100_000, unsafe: true } },
  llm: { dialect: 'openai' },
  'llm-unsafe': { dialect: 'openai', resend: { unsafe: true } },
} as const

/** A script that answers with a status. */
export const answering =
  (status: number, headers: Record<string, string> = {}): Script =>
  (x) =>
    x.send(wholeAnswer(status, { 'content-type': 'text/plain', ...headers }, 'no'))

/** What the first target does. */
export const faults = {
  resets: (async (x) => {
    await x.bodyEnd()
    x.reset()
  }) as Script,
  silent: (() => {}) as Script,
  limited: answering(429, { 'retry-after': '30' }),
  fails: answering(500),
  declines: answering(503),
  unreached: answering(522),
  'refuses the secret': answering(401),
  'dies in its answer': (async (x) => {
    await x.bodyEnd()
    await x.send(answerHead(200, { 'content-type': 'application/json', 'content-length': '100' }))
    await x.send('{"begun":')
    await x.wait(50)
    x.close()
  }) as Script,
} as const

type Fault = keyof typeof faults
/** A line of the table in docs/upstreams.md. */
interface Row {
  readonly method: string
  readonly policy: string
  readonly fault: Fault
  readonly status: number
  /** Requests at each origin. */
  readonly asked: readonly number[]
  readonly charged: string
  /** An upstream of its own: what one line teaches about a target must not decide on the next. */
  readonly upstream: string
}

/** The table in docs/upstreams.md. @throws {Error} for a fault that nobody knows */
export function readRows(): Row[] {
  const page = readFileSync(new URL('../../docs/upstreams.md', import.meta.url), 'utf8')
  const [table = ''] = page.slice(page.indexOf('| request ')).split('\n\n')
  const lines = table.split('\n').filter((line) => line.startsWith('| `'))
  return lines.map((line, at) => {
    const cells = line.split('|').map((cell) => cell.trim().replaceAll('`', ''))
    const [, method = '', policy = '', fault = '', status = '', asked = '', charged = ''] = cells
    if (!Object.hasOwn(faults, fault)) throw new Error(`nobody knows the fault ${fault}`)
    return {
      method,
      policy,
      fault: fault as Fault,
      status: Number(status),
      asked: asked.split(', ').map(Number),
      charged,
      upstream: `${policy}-${at}`,
    }
  })
}

/** What a policy's routes are like. */
export function kindOf(policy: string): (typeof kinds)[keyof typeof kinds] {
  return kinds[policy.replace(/-(pair|alone)$/, '') as keyof typeof kinds]
}
