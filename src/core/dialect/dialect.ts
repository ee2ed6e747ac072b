import type { DialectName } from '../config/types.ts'
import type { HeaderFields } from '../limit/headers.ts'
import type { LimitStanding } from '../limit/standing.ts'
import type { RefusalFacts } from '../refusal.ts'
import { anthropic } from './anthropic.ts'
import { http } from './http.ts'
import { openai } from './openai.ts'

/** A body in the dialect's error shape. */
interface ErrorBody {
  readonly contentType: string
  readonly body: string
}

/** An error event of a stream: its SSE event name, if the dialect names it, and the members of its JSON data. */
export interface ErrorEvent {
  readonly event: string | null
  readonly data: Readonly<Record<string, unknown>>
}

/** Which headers of the two directions a dialect's providers must not see or say; names in lower case. */
export interface DialectHeaders {
  /** Client headers that never reach the provider. */
  readonly requestDrop: ReadonlySet<string>
  /** What the gateway asks for in `accept-encoding`; null passes the client's wish on. */
  readonly acceptEncoding: string | null
  /** Whether the upstream is told the client's address and host. */
  readonly tellsClient: boolean
  /** Response headers that speak of the account behind a shared credential. */
  readonly accountHeader: RegExp | null
}

/** All that differs between wire formats, behind one interface. */
export interface Dialect {
  readonly name: DialectName
  /** Response header in which this dialect's clients look for the request id. */
  readonly requestIdHeader: string
  readonly headers: DialectHeaders
  /** What keeps a silent stream alive, as this dialect's clients take it. */
  readonly keepAlive: Uint8Array
  /** How limits stand, in the fields of the IETF draft and those of the dialect's providers; none without limits. */
  limitHeaders(standings: readonly LimitStanding[], nowMs: number): HeaderFields
  errorBody(facts: RefusalFacts, requestId: string): ErrorBody
  /** @param path canonical path the upstream was asked for: one dialect may have several stream formats. */
  errorEvent(facts: RefusalFacts, requestId: string, path: string): ErrorEvent
}

const dialects: Readonly<Record<DialectName, Dialect>> = { openai, anthropic, http }

export function dialectOf(name: DialectName): Dialect {
  return dialects[name]
}
