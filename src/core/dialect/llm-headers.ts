import type { DialectHeaders } from './dialect.ts'

/**
 * Header rules of a provider reached with the gateway's own credential: no cookies either way, no word about the
 * client, and no compression, which would hold back the events of a stream.
 */
export function llmHeaders(accountHeader: RegExp): DialectHeaders {
  return {
    requestDrop: new Set(['cookie', 'origin', 'referer']),
    acceptEncoding: 'identity',
    tellsClient: false,
    accountHeader,
  }
}
