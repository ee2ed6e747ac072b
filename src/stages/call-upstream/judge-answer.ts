import type { Route, Target } from '../../core/config/types.ts'
import { redactAccount } from '../../core/dialect/account-text.ts'
import { isRefusal, type Awaitable, type Outcome } from '../../core/outcome.ts'
import type { Refusal } from '../../core/refusal.ts'
import type { Exchange, UpstreamAnswer } from '../../ports.ts'
import { dropAnswer } from './drop-answer.ts'

/** What the call itself knows beside the answer. */
export interface CallFacts {
  /** Why the request's body was cut on its way, if it was. */
  readonly cut: Refusal | null
  /** The credential the gateway put in. */
  readonly secret: string | null
}

const errorBytesMax = 65_536

/**
 * Notes what the upstream said, and refuses in its place where its words would be about the account behind the
 * gateway's own credential. Errors about the client's own request pass, without ids and credentials of that account.
 */
export function judgeAnswer(
  x: Exchange,
  answer: Outcome<UpstreamAnswer>,
  facts: CallFacts,
): Awaitable<Outcome<UpstreamAnswer>> {
  const { route, target } = x.facts
  // A client that has left cannot be told what was wrong with its body.
  const cut = x.signal.aborted ? null : facts.cut
  if (isRefusal(answer)) return cut ?? answer
  if (cut !== null) return giveUp(x, answer, cut)
  const { status, headers } = answer.response
  x.facts.upstreamStatus = status
  x.facts.upstreamRequestId = headers.get('x-request-id') ?? headers.get('request-id')
  const refusal = refusalFor(answer.response, speaksOfUs(route, target))
  if (refusal !== null) return giveUp(x, answer, refusal)
  if (status < 400 || facts.secret === null || !speaksOfUs(route, target)) return answer
  return withoutAccount(answer, facts.secret)
}

/** Drops an answer whose body nobody will read. */
function giveUp(x: Exchange, answer: UpstreamAnswer, refusal: Refusal): Refusal {
  dropAnswer(x, answer)
  return refusal
}

/** Whether an answer's errors may speak of the gateway's own account at an LLM provider. */
function speaksOfUs(route: Route | null, target: Target | null): boolean {
  return route !== null && route.dialect !== 'http' && target !== null && target.secret !== null
}

function refusalFor({ status, headers, webSocket }: Response, ofUs: boolean): Refusal | null {
  if (status > 599 || (status === 101 && webSocket === null)) return { refused: 'upstream_unreachable' }
  if (!ofUs) return null
  if (status === 401 || status === 403)
    return { refused: 'upstream_credential_refused', upstreamStatus: status }
  if (status !== 402 && status !== 429 && status < 500) return null
  return { refused: 'upstream_error', upstreamStatus: status, retryAfter: retryAfter(headers) }
}

/** Seconds or an HTTP date (RFC 9110 §10.2.3), as the upstream gave them; anything else is left out. */
function retryAfter(headers: Headers): string | null {
  const value = headers.get('retry-after')
  return value !== null && /^[\w ,:.+-]{1,40}$/.test(value) ? value : null
}

/** How long an error's body may take. */
const errorPatienceMs = 10_000

/** Breaks off an answer that is too large, or that has been begun to be read. */
function abandon(answer: UpstreamAnswer, refusal: Refusal): Refusal {
  answer.timer.stop()
  answer.abort()
  return refusal
}

async function withoutAccount(answer: UpstreamAnswer, secret: string): Promise<Outcome<UpstreamAnswer>> {
  const { response } = answer
  const unexplained: Refusal = {
    refused: 'upstream_error',
    upstreamStatus: response.status,
    retryAfter: null,
  }
  const declared = Number(response.headers.get('content-length') ?? 0)
  if (declared > errorBytesMax || response.headers.has('content-encoding')) {
    return abandon(answer, unexplained)
  }
  answer.timer.set(Math.min(errorPatienceMs, answer.remainingMs), () => answer.abort())
  const text = await boundedText(response)
  if (text === null) return abandon(answer, unexplained)
  const bytes = new TextEncoder().encode(redactAccount(text, secret))
  const headers = new Headers()
  for (const [name, value] of response.headers) headers.append(name, redactAccount(value, secret))
  headers.set('content-length', String(bytes.length))
  const { status, statusText } = response
  return { ...answer, response: new Response(bytes, { status, statusText, headers }) }
}

/** A body as text; null when it breaks off or is larger than an error has any need to be. */
async function boundedText(response: Response): Promise<string | null> {
  const decoder = new TextDecoder()
  let text = ''
  let total = 0
  try {
    for await (const chunk of response.body ?? []) {
      total += chunk.length
      if (total > errorBytesMax) return null
      text += decoder.decode(chunk, { stream: true })
    }
    return text + decoder.decode()
  } catch {
    return null
  }
}
