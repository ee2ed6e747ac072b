import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isRefusal } from '../../src/core/outcome.ts'
import { canonicalTarget } from '../../src/core/route/canonical-target.ts'

function pathOf(raw: string): string | null {
  const target = canonicalTarget(`http://gw${raw}`, 'gw')
  return isRefusal(target) ? null : target.path
}

function refusalOf(url: string, host: string | null): string {
  const target = canonicalTarget(url, host)
  if (!isRefusal(target)) return `accepted as ${target.host} ${target.path}`
  return target.refused
}

describe('the path', () => {
  it.each([
    ['/', '/'],
    ['', '/'],
    ['?a=1', '/'],
    ['/v1/chat/completions', '/v1/chat/completions'],
    ['/v1/', '/v1/'],
    ['/V1/x', '/V1/x'],
    ['/%61%2D%5f%7E', '/a-_~'],
    ['/caf%c3%a9', '/caf%C3%A9'],
    ['/a%3ab', '/a%3Ab'],
    ['/a;v=1', '/a;v=1'],
    ['/.well-known/x', '/.well-known/x'],
    ['/...', '/...'],
    ['/a..b', '/a..b'],
    ['/100%25', '/100%25'],
    ['/100%25/x', '/100%25/x'],
    ['/a{b}|c^d`e"f<g>', '/a%7Bb%7D%7Cc%5Ed%60e%22f%3Cg%3E'],
    ["/a!$&'()*+,=:@b", "/a!$&'()*+,=:@b"],
    ['/models/org%2fname', '/models/org%2Fname'],
  ])('%s is routed and forwarded as %s', (raw, path) => {
    expect(pathOf(raw)).toBe(path)
  })

  it.each([
    '/v1/../admin/keys',
    '/v1/%2e%2e/admin',
    '/v1/.%2E/admin',
    '/v1/%2E./admin',
    '/v1/..',
    '/v1/%2e',
    '/./v1/x',
    '/v1/..%2fadmin',
    '/v1%2f..%2fadmin',
    '/v1/x%2F%2e',
    '/v1/..;/admin',
    '/v1/.;x/admin',
    '/v1/..%3b/admin',
    '/v1/a%3Bb',
    '/v1\\..\\admin',
    '/v1/%5cadmin',
    '/v1//x',
    '//evil/x',
    '/v1//',
    '/v1/%00',
    '/v1/%0d%0ax',
    '/v1/%7f',
    '/v1/%252e%252e/admin',
    '/v1/%25%32%65',
    '/v1/%2541',
    '/v1/%c0%ae%c0%ae/admin',
    '/v1/%ff',
    '/v1/%',
    '/v1/%2',
    '/v1/%zz',
    '/v1/a b',
    '/v1/\u0000',
    '/v1/\t',
    '/v1/é',
    '/v1/x#y',
  ])('%j is refused with a sentence', (raw) => {
    const target = canonicalTarget(`http://gw${raw}`, 'gw')
    expect(target).toEqual({ refused: 'malformed_request', detail: expect.stringMatching(/[;,].*\.$/) })
  })

  it('says whether a segment holds an encoded slash', () => {
    expect(canonicalTarget('http://gw/a%2fb', 'gw')).toMatchObject({ encodedSlash: true })
    expect(canonicalTarget('http://gw/a/b', 'gw')).toMatchObject({ encodedSlash: false })
  })
})

describe('the host', () => {
  it.each([
    ['http://gw/', 'gw', 'gw'],
    ['http://GW.Example/', 'gw.example', 'gw.example'],
    ['http://gw.example./', 'gw.example.', 'gw.example'],
    ['http://gw:80/', 'gw', 'gw'],
    ['https://gw/', 'gw:443', 'gw'],
    ['https://gw:80/', 'gw:80', 'gw:80'],
    ['http://127.0.0.1:8787/', '127.0.0.1:8787', '127.0.0.1:8787'],
    ['http://[::1]:8787/', '[::1]:8787', '[::1]:8787'],
    ['http://[0:0::1]/', '[::1]', '[::1]'],
    ['http://0x7f.1/', '0x7f.1', '127.0.0.1'],
    ['http://xn--mnchen-3ya.example/', 'xn--mnchen-3ya.example', 'xn--mnchen-3ya.example'],
    ['http://gw/', null, 'gw'],
  ])('of %s with Host %s is %s', (url, header, host) => {
    expect(canonicalTarget(url, header)).toMatchObject({ host })
  })

  it.each([
    ['http://gw/public?/admin', 'gw/public?'],
    ['http://gw?/admin', 'gw?'],
    ['http://gw#/admin', 'gw#'],
    ['http://gw\\/admin', 'gw\\'],
    ['http://a@b/admin', 'a@b'],
    ['http://a@b/admin', null],
    ['http://gw, evil/', 'gw, evil'],
    ['http:///admin', ''],
    ['http:///admin', null],
    ['http://gw/', ''],
    ['http://gw/', 'evil'],
    ['http://gw/', 'gw:8080'],
    ['http://gw:/', 'gw:'],
    ['http://gw:99999/', 'gw:99999'],
    ['http://gw:a/', 'gw:a'],
    ['http://a:1:2/', 'a:1:2'],
    ['http://a..b/', 'a..b'],
    ['http://1.2.3.999/', '1.2.3.999'],
    ['http://[1]/', '[1]'],
    ['http://xn--/', 'xn--'],
    ['http://gw*/', 'gw*'],
    ['http://gw%2e/', 'gw%2e'],
    [`http://${'a.'.repeat(400)}b/`, null],
    ['ftp://gw/', 'gw'],
    ['/v1', 'gw'],
    ['', null],
  ])('of %s with Host %j is refused', (url, host) => {
    expect(refusalOf(url, host)).toBe('malformed_request')
  })
})

describe('the query', () => {
  it('stays as the client sent it and never takes part in the path', () => {
    const target = canonicalTarget('http://gw/a?b=../%2e%zz&c=/?', 'gw')
    expect(target).toMatchObject({ path: '/a', query: '?b=../%2e%zz&c=/?' })
  })

  it.each(['?a#b', '?a b', '?é', '?\n'])('%j is refused', (query) => {
    expect(refusalOf(`http://gw/${query}`, 'gw')).toBe('malformed_request')
  })
})

it('refuses a URL of more than 16 KiB and takes one of exactly 16 KiB', () => {
  const longest = `http://gw/${'a'.repeat(16_384 - 10)}`
  expect(isRefusal(canonicalTarget(longest, 'gw'))).toBe(false)
  expect(canonicalTarget(`${longest}a`, 'gw')).toEqual({ refused: 'url_too_long', bytesMax: 16_384 })
})

const piece = fc.oneof(
  fc.constantFrom(
    '/',
    '.',
    '..',
    '%',
    '%2',
    '%25',
    '%2e',
    '%2F',
    '%5c',
    ';',
    '%3b',
    '//',
    '\\',
    '?',
    '#',
    '@',
    ':',
  ),
  fc.constantFrom(
    'v1',
    'a',
    'A',
    'é',
    '\u0000',
    ' ',
    '{',
    '|',
    '^',
    '"',
    '%c3%a9',
    '%C0%AE',
    '%00',
    '%41',
    '41',
  ),
  fc.string({ maxLength: 3 }),
)
const rawPath = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`)

describe('for any input', () => {
  it('never throws', () => {
    const url = fc.oneof(
      fc.string({ unit: 'binary' }),
      rawPath.map((path) => `http://gw${path}`),
    )
    fc.assert(
      fc.property(url, fc.option(fc.string({ unit: 'binary' })), (text, host) => {
        canonicalTarget(text, host)
        canonicalTarget(`http://${text}`, host)
        canonicalTarget(`https://gw/${text}`, 'gw')
      }),
      { numRuns: 20_000 },
    )
  })

  it('an accepted path is its own canonical form, what URL would forward, and free of dot segments', () => {
    let accepted = 0
    fc.assert(
      fc.property(rawPath, (raw) => {
        const path = pathOf(raw)
        if (path === null) return
        accepted += 1
        expect(pathOf(path)).toBe(path)
        expect(new URL(`http://x${path}`).pathname).toBe(path)
        expect(decodeURIComponent(path).split(/[/\\]/)).not.toContain('..')
        expect(decodeURIComponent(path).split(/[/\\]/)).not.toContain('.')
        expect(path).not.toMatch(/\/\/|[^!-~]/)
      }),
      { numRuns: 30_000 },
    )
    expect(accepted).toBeGreaterThan(5_000)
  })

  it('an accepted host is one that URL takes as it stands', () => {
    const label = fc.constantFrom(
      'a',
      '1',
      '0x1',
      '999',
      'xn--',
      'xn--a',
      '-',
      '.',
      ':',
      ':80',
      ':8080',
      '[',
      ']',
      '::1',
      'G',
    )
    let accepted = 0
    fc.assert(
      fc.property(fc.array(label, { maxLength: 6 }), (labels) => {
        const target = canonicalTarget(`http://${labels.join('')}/`, null)
        if (isRefusal(target)) return
        accepted += 1
        expect(new URL(`http://${target.host}/`).host).toBe(target.host)
      }),
      { numRuns: 20_000 },
    )
    expect(accepted).toBeGreaterThan(2_000)
  })
})
