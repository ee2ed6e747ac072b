import type { KeySourceName } from '../../src/core/config/types.ts'
import { encodeBase62 } from '../../src/core/key/base62.ts'
import { parseKeyRing } from '../../src/core/key/key-ring.ts'
import {
  formatKeyText,
  isIdentifier,
  keyTextLengthMax,
  macInput,
  macText,
  newIdentifier,
  newSecret,
  parseKeyText,
  type KeyParts,
} from '../../src/core/key/key-text.ts'
import { presentedKey } from '../../src/core/key/presented.ts'
import { isRefusal } from '../../src/core/outcome.ts'
import { forwardedQuery } from '../../src/stages/inspect/forwarded-query.ts'
import { routeWith } from '../support/routes.ts'
import type { Draw } from './draw.ts'
import { hold, same, type FuzzTarget } from './target.ts'

interface KeyInput {
  readonly text: string
  /** Latin-1 characters, one a byte. */
  readonly random: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly query: string
  readonly keySources: readonly KeySourceName[]
  readonly keyQuery: string | null
  readonly ring: string
}

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const lower = '0123456789abcdefghijklmnopqrstuvwxyz'
const swaps = [
  '_',
  '',
  '__',
  '-',
  ' ',
  '\n',
  '\u0000',
  ',',
  '\u0661',
  '\u212a',
  '\u0130',
  'S',
  '|',
  'slc_',
  '%5F',
]

function run(draw: Draw, alphabet: string, length: number): string {
  return Array.from({ length }, () => alphabet[draw.below(alphabet.length)] ?? '').join('')
}

function makeKey(draw: Draw): string {
  const parts = {
    ring: run(draw, lower, 1 + draw.below(8)),
    account: run(draw, lower, 10),
    id: run(draw, lower, 10),
    secret: run(draw, digits, 22),
    mac: run(draw, digits, 17),
  }
  return formatKeyText(parts)
}

/** A key with a few places replaced, taken out or put in. */
function bent(draw: Draw, key: string): string {
  let text = key
  for (const change of draw.many(3, () => ({
    at: draw.below(90),
    take: draw.below(4),
    put: draw.pick(swaps),
  }))) {
    text = text.slice(0, change.at) + change.put + text.slice(change.at + change.take)
  }
  return text
}

function make(draw: Draw): KeyInput {
  const whole = makeKey(draw)
  const otherCase = [whole.toUpperCase(), `SLC${whole.slice(3)}`, `Slc${whole.slice(3)}`]
  const text = draw.rarely(2) ? draw.pick([bent(draw, whole), bent(draw, whole), ...otherCase]) : whole
  const other = draw.pick([whole, bent(draw, whole), whole.replaceAll('0', '1')])
  const carried = () => draw.pick([text, text, other, other, 'sk-other', '', draw.text(4)])
  const odd = () => draw.pick(['bearer  ', 'BEARER ', '', 'Basic ', 'Bearer\t', 'Bearer, Bearer ', 'x, '])
  const header = () => {
    const [source = '', scheme = ''] = draw.pick([['authorization', 'Bearer '], ['x-api-key'], ['X-API-Key']])
    return [source, (draw.rarely(4) ? odd() : scheme) + carried()] as const
  }
  const name = () =>
    draw.pick([
      'key',
      'key',
      'key',
      'k%65y',
      '%6bey',
      'KEY',
      'key[]',
      'k',
      '%EF%BB%BFkey',
      'key%00',
      '+key',
      'key%ff',
    ])
  const separator = () => draw.pick(['&', '&', ';', '&&', '?'])
  return {
    text,
    random: String.fromCharCode(...Array.from({ length: 48 }, () => draw.byte())),
    headers: draw.many(3, header),
    query: draw
      .many(4, () => `${separator()}${name()}=${carried()}`)
      .join('')
      .replace(/^./, '?'),
    keySources: draw.pick([['authorization', 'x-api-key'], ['authorization'], ['x-api-key'], []] as const),
    keyQuery: draw.pick([null, 'key']),
    ring: draw.rarely(16) ? draw.pick(['', ' \n']) : makeRing(draw),
  }
}

function makeRing(draw: Draw): string {
  const alphabet = `${digits}-_`
  const entry = () => {
    const name = draw.rarely(6) ? draw.text(3) : run(draw, lower, 1 + draw.below(8))
    const key = draw.rarely(6) ? draw.text(8) : run(draw, alphabet, 20 + draw.below(9))
    return `${name}${draw.pick(['=', '=', '=', '', '=='])}${key}${draw.pick(['', '', '=', '==', '===', '\n'])}`
  }
  const entries = [entry(), ...draw.many(3, entry)]
  return entries.join(draw.pick([',', ',', ',,', ' ,'])) + draw.pick(['', '\n', ' ', ','])
}

const subject = { parseKeyText, presentedKey, parseKeyRing, forwardedQuery, macInput }

function drawnFrom(alphabet: string, text: string): boolean {
  return Array.from(text).every((character) => alphabet.includes(character))
}

/** The documented shape, read part by part. */
function isKey(text: string): boolean {
  const [start, ring = '', account = '', id = '', secret = '', mac = '', ...more] = text.split('_')
  const lengths = [ring.length > 0 && ring.length < 9, account.length, id.length, secret.length, mac.length]
  const shaped = start === 'slc' && more.length === 0 && same(lengths, [true, 10, 10, 22, 17])
  return shaped && drawnFrom(lower, ring + account + id) && drawnFrom(digits, secret + mac)
}

function checkText(text: string, tested: typeof subject): string {
  const parts = tested.parseKeyText(text)
  hold((parts !== null) === isKey(text), 'exactly the documented shape is taken', text)
  if (parts === null) return 'no_key'
  hold(formatKeyText(parts) === text, 'only the canonical text is a key', text)
  hold(text.length <= keyTextLengthMax, 'a key has a longest length', text)
  hold(isIdentifier(parts.account) && isIdentifier(parts.id), 'account and id are identifiers', text)
  hold(/^[!-~]+$/.test(text), 'a key is visible ASCII', text)
  checkMacInput(parts, tested)
  return 'key'
}

/** Moving a character from one part to the next makes another input of the MAC. */
function checkMacInput(parts: KeyParts, tested: typeof subject): void {
  const { ring, account, id, secret } = parts
  const moved: KeyParts[] = [
    { ...parts, ring: ring.slice(0, -1), account: ring.slice(-1) + account },
    { ...parts, account: account.slice(0, -1), id: account.slice(-1) + id },
    { ...parts, id: id.slice(0, -1), secret: id.slice(-1) + secret },
  ]
  for (const other of moved) {
    hold(tested.macInput(other) !== tested.macInput(parts), 'the MAC covers where the parts end', other)
  }
}

function checkMaking(random: string): void {
  const bytes = Uint8Array.from(random, (character) => character.charCodeAt(0))
  let at = 0
  const drawn = (count: number) =>
    Uint8Array.from({ length: count }, () => bytes[at++ % bytes.length] ?? at % 200)
  hold(/^[0-9a-z]{10}$/.test(newIdentifier(drawn)), 'an identifier has its form', random)
  if (bytes.some((byte) => byte < 248))
    hold(/^[0-9A-Za-z]{22}$/.test(newSecret(drawn)), 'a secret has its form', random)
  const mac = macText(bytes)
  hold(/^[0-9A-Za-z]{17}$/.test(mac), 'a MAC has its form', random, mac)
  const back = Array.from(encodeBase62(bytes.subarray(0, 12), 17)).reduce(
    (sum, each) => sum * 62n + BigInt(digits.indexOf(each)),
    0n,
  )
  const number = bytes.subarray(0, 12).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
  hold(back === number, 'base 62 stands for the same number', random)
}

/** Every text that an allowed place of the request could be read as. */
function places(input: KeyInput, headers: Headers): { readonly name: string; readonly value: string }[] {
  const found = input.keySources.map((name) => ({ name: name as string, value: headers.get(name) ?? '' }))
  if (input.keyQuery === null) return found
  const parameters = new URLSearchParams(input.query).getAll(input.keyQuery)
  return [...found, ...parameters.map((value) => ({ name: 'query', value }))]
}

function checkPresented(input: KeyInput, tested: typeof subject): string {
  const headers = new Headers()
  for (const [name, value] of input.headers) {
    try {
      headers.append(name, value)
    } catch {
      // Not a header: the server has answered 400.
    }
  }
  const route = routeWith({ keySources: input.keySources, keyQuery: input.keyQuery })
  const key = tested.presentedKey(headers, input.query, route)
  checkForwardedQuery(input, tested)
  const all = places(input, headers)
  const whole = all.flatMap(({ name, value }) => {
    const text = name === 'authorization' ? (/^bearer +(.*)$/is.exec(value)?.[1] ?? '') : value
    return tested.parseKeyText(text) === null ? [] : [text]
  })
  if (key === null) {
    hold(whole.length === 0, 'a whole key in an allowed place is seen', all)
    return 'none'
  }
  if (isRefusal(key)) {
    const alone = all.filter(({ value }) => value.includes('slc_')).length === 1 && whole.length === 1
    hold(!alone, 'a single whole key is taken', key, all)
    return key.refused
  }
  hold(key.startsWith('slc_') && !key.includes(','), 'what is presented is one text of ours', key)
  hold(key.length <= keyTextLengthMax, 'what is presented is no longer than a key', key)
  hold(
    all.some(({ value }) => value.endsWith(key)),
    'it stands in an allowed place',
    key,
    all,
  )
  hold(
    whole.every((each) => each === key),
    'two keys are never taken for one',
    key,
    whole,
  )
  return 'presented'
}

function holdsKey(pair: readonly [string, string]): boolean {
  return pair.join('=').includes('slc_')
}

function checkForwardedQuery({ query, keyQuery }: KeyInput, tested: typeof subject): void {
  const forwarded = tested.forwardedQuery(query, routeWith({ keyQuery }))
  const rest = [...new URLSearchParams(forwarded)]
  const named = (pair: readonly [string, string]): boolean => pair[0] === keyQuery
  hold(!rest.some(named), 'the parameter of the key is not forwarded', query, forwarded)
  hold(!rest.some(holdsKey), 'no key is forwarded', query, forwarded)
  // At the front of a query `?key` may be read as `key`, so it may go too.
  const stays = (pair: readonly [string, string]): boolean =>
    !named(pair) && !holdsKey(pair) && pair[0].replace(/^\?+/, '') !== keyQuery
  const kept = [...new URLSearchParams(query)].filter(stays)
  hold(same(rest.filter(stays), kept), 'all other parameters are', query, forwarded)
  const clean = keyQuery === null && !query.toLowerCase().includes('slc') && !query.includes('%')
  hold(!clean || forwarded === query, 'a query without a key is forwarded as it is', query, forwarded)
}

function checkRing(text: string, tested: typeof subject): string {
  const ring = tested.parseKeyRing(text)
  if (ring === null) {
    hold(text.trim() === '', 'only an empty text is no ring', text)
    return 'no_ring'
  }
  const parts = text.trim().split(',')
  if ('problem' in ring) {
    for (const part of parts) {
      const key = part.slice(part.indexOf('=') + 1)
      hold(key.length < 9 || !ring.problem.includes(key), 'a problem shows no key', text, ring.problem)
    }
    return 'bad_ring'
  }
  hold(ring.entries.size === parts.length, 'every entry counts', text)
  hold(ring.issuing === [...ring.entries.values()][0], 'the first entry issues', text)
  for (const [at, entry] of [...ring.entries.values()].entries()) {
    hold(
      entry.bytes.length >= 16 && /^[0-9a-z]{1,8}$/.test(entry.name),
      'an entry has a name and 128 bits',
      text,
    )
    const written = parts[at]?.slice(entry.name.length + 1).replace(/=*$/, '') ?? ''
    hold(
      encodeBase64url(entry.bytes).slice(0, -1) === written.slice(0, -1),
      'the bytes are what is written',
      text,
    )
  }
  return 'ring'
}

/** RFC 4648 §5, bit by bit. */
function encodeBase64url(bytes: Uint8Array): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('')
  return (bits.match(/.{1,6}/g) ?? []).map((six) => alphabet[Number.parseInt(six.padEnd(6, '0'), 2)]).join('')
}

function check(input: KeyInput, tested: typeof subject): readonly string[] {
  checkMaking(input.random)
  return [checkText(input.text, tested), checkPresented(input, tested), checkRing(input.ring, tested)]
}

/** Text of keys, ring of MAC keys, and where a request may carry a key. */
export const key: FuzzTarget<KeyInput, typeof subject> = {
  name: 'key',
  bytesMax: 320,
  kinds: ['no_key', 'key', 'none', 'presented', 'key_invalid', 'key_conflict', 'no_ring', 'bad_ring', 'ring'],
  subject,
  make,
  check,
}
