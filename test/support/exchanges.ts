import type { Exchange, Facts } from '../../src/ports.ts'
import { CountingScope } from './counting-scope.ts'

let made = 0

/** A request's life that remembers what was noted, with an id of its own. */
export function exchangeWith(headers: Record<string, string> = {}, query = ''): Exchange & CountingScope {
  made += 1
  return Object.assign(new CountingScope(), {
    request: new Request('https://gateway.example/', { headers }),
    id: `request-${made}`,
    startedMs: 0,
    target: { scheme: 'https' as const, host: 'gateway.example', path: '/', query, encodedSlash: false },
    signal: new AbortController().signal,
    facts: factsWith(),
  })
}

/** What is known of a request that has only begun. */
export function factsWith(changes: Partial<Facts> = {}): Facts {
  return {
    route: null,
    account: null,
    keyId: null,
    target: null,
    upstreamRequestId: null,
    upstreamStatus: null,
    attempts: [],
    answerEnded: null,
    cache: null,
    ...changes,
  }
}
