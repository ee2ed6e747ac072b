import type { DialectHeaders } from './dialect.ts'

/**
 * Header rules of a provider reached with the gateway's own credential: no cookies either way, no word about the
 * client, none of the client's about which of the account's organisations or projects to use, and no compression, which would hold back the events of a stream.
 */
export function llmHeaders(accountHeader: RegExp): DialectHeaders {
  return {
    requestDrop: new Set(['cookie', 'origin', 'referer', 'openai-organization', 'openai-project']),
    acceptEncoding: 'identity',
    tellsClient: false,
    accountHeader,
  }
}
