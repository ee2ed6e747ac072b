import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { parseConfig } from '../../src/core/config/parse.ts'
import type { Route, Target as UpstreamTarget } from '../../src/core/config/types.ts'
import { upstreamHeaders } from '../../src/core/http/request-headers.ts'
import { parseKeyRing } from '../../src/core/key/key-ring.ts'
import { parseKeyText, type KeyParts } from '../../src/core/key/key-text.ts'
import { presentedKey } from '../../src/core/key/presented.ts'
import { canonicalTarget, type CanonicalTarget } from '../../src/core/route/canonical-target.ts'
import { upstreamPath } from '../../src/core/route/rewrite.ts'
import { matchRoute, type ConfiguredMatch, type RouteIndex } from '../../src/core/route/route-index.ts'
import { closingBytes } from '../../src/core/stream/broken-stream.ts'
import { Tail, unfinishedEvent } from '../../src/core/stream/sse-tail.ts'
import { targets, type Target } from '../fuzz/targets.ts'

type UpstreamHeaders = typeof upstreamHeaders
type ClosingBytes = typeof closingBytes
type PresentedKey = typeof presentedKey

/** Copies a document as careless code does, `__proto__` and all. */
function merge(into: Record<string, unknown>, from: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(from)) {
    if (typeof value !== 'object' || value === null) into[name] = value
    else merge((into[name] ??= {}) as Record<string, unknown>, value as Record<string, unknown>)
  }
}

function asUrlReads(url: string): CanonicalTarget | { refused: 'malformed_request'; detail: string } {
  if (!URL.canParse(url)) return { refused: 'malformed_request', detail: 'no' }
  const { host, pathname, search } = new URL(url)
  return { scheme: 'http', host, path: pathname, query: search, encodedSlash: false }
}

/** One mistake each that gateways have made, by target. */
const faults: Readonly<Record<string, readonly (readonly [string, Readonly<Record<string, unknown>>])[]>> = {
  path: [
    ['paths as URL reads them', { canonicalTarget: asUrlReads }],
    ['a Host header that is not looked at', { canonicalTarget: (url: string) => canonicalTarget(url, null) }],
    [
      'routes matched without regard to case',
      {
        matchRoute: (index: RouteIndex, target: CanonicalTarget, method: string) =>
          matchRoute(index, { ...target, path: target.path.toLowerCase() }, method),
      },
    ],
    [
      'an encoded slash that any route takes',
      {
        matchRoute: (index: RouteIndex, target: CanonicalTarget, method: string) =>
          matchRoute(index, { ...target, encodedSlash: false }, method),
      },
    ],
    [
      'a path decoded once more before it is forwarded',
      {
        upstreamPath: (match: ConfiguredMatch, target: UpstreamTarget) =>
          decodeURIComponent(upstreamPath(match, target)),
      },
    ],
    [
      'a base path that is left out',
      {
        upstreamPath: (match: ConfiguredMatch, target: UpstreamTarget) =>
          upstreamPath(match, { ...target, basePath: '' }),
      },
    ],
    ['a Location that stands as it came', { clientLocation: (location: string) => location }],
    [
      'a Location without its origin',
      {
        clientLocation: (location: string, requested: string, _: Route, { origin }: UpstreamTarget) =>
          new URL(location, requested).href.replace(origin, ''),
      },
    ],
  ],
  headers: [
    [
      'a Connection header that is not obeyed',
      {
        upstreamHeaders: (...[client, policy, words]: Parameters<UpstreamHeaders>) => {
          const headers = new Headers(client)
          headers.delete('connection')
          return upstreamHeaders(headers, policy, words)
        },
      },
    ],
    [
      "a client's word after the gateway's",
      {
        upstreamHeaders: (...[client, policy, words]: Parameters<UpstreamHeaders>) => {
          const headers = upstreamHeaders(client, policy, words)
          const address = client.get('x-forwarded-for')
          if (headers instanceof Headers && address !== null) headers.append('x-forwarded-for', address)
          return headers
        },
      },
    ],
    [
      'a header of a folded name',
      {
        upstreamHeaders: (...[client, policy, words]: Parameters<UpstreamHeaders>) => {
          const headers = upstreamHeaders(client, policy, words)
          const forged = client.get('x_real_ip')
          if (headers instanceof Headers && forged !== null) headers.set('x_real_ip', forged)
          return headers
        },
      },
    ],
    ["all of the upstream's headers", { clientHeaders: (upstream: Headers) => new Headers(upstream) }],
    ['loops that are not seen', { hasPassed: () => false }],
    [
      'any origin reflected',
      {
        addCors: (headers: Headers, _: unknown, origin: string) =>
          headers.set('access-control-allow-origin', origin),
      },
    ],
  ],
  config: [
    [
      'problems that show what was found',
      {
        parseConfig: (value: unknown) => {
          const parsed = parseConfig(value)
          if (!('problems' in parsed)) return parsed
          return {
            problems: parsed.problems.map(({ path }) => ({
              path,
              expected: 'x',
              found: JSON.stringify(value),
            })),
          }
        },
      },
    ],
    [
      'a document merged into an object',
      {
        parseConfig: (value: unknown) => {
          if (typeof value === 'object' && value !== null) merge({}, value as Record<string, unknown>)
          return parseConfig(value)
        },
      },
    ],
    [
      'routes with problems left out',
      {
        parseConfig: (value: unknown) => {
          const parsed = parseConfig(value)
          const { settings } = parseConfig({ version: 1, upstreams: {}, routes: [] }) as { settings: unknown }
          return 'problems' in parsed ? { settings, routes: [] } : parsed
        },
      },
    ],
    [
      'a snapshot that is not frozen',
      { compileConfig: (config: object, version: number) => ({ ...config, version }) },
    ],
  ],
  key: [
    ['a key with white space around it', { parseKeyText: (text: string) => parseKeyText(text.trim()) }],
    ['a key in any case', { parseKeyText: (text: string) => parseKeyText(text.replace(/^SLC/i, 'slc')) }],
    [
      'the first of two keys',
      {
        presentedKey: (...[headers, query, route]: Parameters<PresentedKey>) => {
          const key = presentedKey(headers, query, route)
          return key === null || typeof key === 'string' ? key : headers.get('x-api-key')
        },
      },
    ],
    [
      'a key where the route allows none',
      {
        presentedKey: (...[headers, query, route]: Parameters<PresentedKey>) =>
          presentedKey(headers, query, { ...route, keySources: ['authorization', 'x-api-key'] }),
      },
    ],
    ['a query that is forwarded whole', { forwardedQuery: (query: string) => query }],
    [
      'a MAC over the parts without what parts them',
      { macInput: ({ ring, account, id, secret }: KeyParts) => ring + account + id + secret },
    ],
    [
      'a ring without its bad entries',
      {
        parseKeyRing: (text: string) => {
          const rings = text.split(',').map((entry) => parseKeyRing(entry))
          return rings.find((ring) => ring !== null && !('problem' in ring)) ?? parseKeyRing(text)
        },
      },
    ],
  ],
  'event-stream': [
    [
      'an error event after whatever came',
      { closingBytes: (...[, error]: Parameters<ClosingBytes>) => closingBytes(new Uint8Array(0), error) },
    ],
    [
      'a stream that is called done',
      {
        closingBytes: (...[half, error]: Parameters<ClosingBytes>) => {
          const closing = closingBytes(half, error)
          return closing === null
            ? null
            : new Uint8Array([...closing, ...new TextEncoder().encode('data: [DONE]\n\n')])
        },
      },
    ],
    ['a broken stream that nothing is said about', { closingBytes: () => null }],
    [
      'line feeds as the only line ends',
      {
        makeTail: (keep: number) => {
          const tail = new Tail(keep)
          const push = (chunk: Uint8Array) => tail.push(chunk.map((byte) => (byte === 13 ? 32 : byte)))
          return {
            push,
            unfinished: () => tail.unfinished(),
            get bytes() {
              return tail.bytes
            },
          }
        },
      },
    ],
    [
      'the last chunk taken for the stream',
      {
        makeTail: () => {
          let last = new Uint8Array(0)
          let bytes = 0
          return {
            push: (chunk: Uint8Array) => {
              last = chunk.slice()
              bytes += chunk.length
            },
            get bytes() {
              return bytes
            },
            unfinished: () => unfinishedEvent(last, true),
          }
        },
      },
    ],
  ],
}

afterEach(() => {
  Reflect.deleteProperty(Object.prototype, 'polluted')
})

function notices(target: Target, fault: Readonly<Record<string, unknown>>): boolean {
  const bytes = fc.uint8Array({ maxLength: target.bytesMax, size: 'max' })
  const property = fc.property(bytes, (each) => void target.check(target.inputOf(each), fault))
  return fc.check(property, { numRuns: 20_000, endOnFailure: true }).failed
}

describe.each(targets)('the rules for $name notice', (target) => {
  test.each(faults[target.name] ?? [])('%s', { timeout: 60_000 }, (_, fault) => {
    expect(notices(target, fault)).toBe(true)
  })
})
