import { describe, expect, test } from 'vitest'
import type { Route } from '../../src/core/config/types.ts'
import type { KeyRecord } from '../../src/core/key/key-record.ts'
import type { Outcome } from '../../src/core/outcome.ts'
import type { KeySource, KnownKey, Prepaid } from '../../src/ports.ts'
import { authenticate } from '../../src/stages/authenticate.ts'
import { exchangeWith as exchange } from '../support/exchanges.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { keyRecordWith } from '../support/key-records.ts'
import { routeWith } from '../support/routes.ts'

const text = 'slc_k1_aaaaaaaaaa_1111111111_sssssssssssssssssssssS_mmmmmmmmmmmmmmmmM'
const clock = new FakeClock()
const record = keyRecordWith({ scopes: ['chat'], models: { allow: ['small'], deny: [] } })
const holder = {
  kind: 'key',
  account: 'aaaaaaaaaa',
  keyId: '1111111111',
  scopes: ['chat'],
  models: { allow: ['small'], deny: [] },
  limits: [],
  prepaid: null,
}
const anonymous = { kind: 'anonymous' }

function known(of: KeyRecord, prepaid: Prepaid | null = null): KnownKey {
  return { record: of, prepaid }
}

function route(auth: Route['auth']): Route {
  return routeWith({ auth, keySources: ['authorization'] })
}

class FakeKeys implements KeySource {
  asked: [string, Route][] = []
  readonly answer: Outcome<KnownKey> | Promise<Outcome<KnownKey>>

  constructor(answer: Outcome<KnownKey> | Promise<Outcome<KnownKey>> = known(record)) {
    this.answer = answer
  }

  find(presented: string, on: Route): Outcome<KnownKey> | Promise<Outcome<KnownKey>> {
    this.asked.push([presented, on])
    return this.answer
  }
}

const withKey = { authorization: `Bearer ${text}` }

describe('authenticate', () => {
  test('a key in memory is judged with no promise, and the record will name it', () => {
    const keys = new FakeKeys()
    const x = exchange(withKey)
    const required = route('required')
    expect(authenticate(x, required, { keys, clock })).toEqual(holder)
    expect([keys.asked, x.facts.account, x.facts.keyId]).toEqual([
      [[text, required]],
      'aaaaaaaaaa',
      '1111111111',
    ])
  })

  test('a key that has to be looked up is judged when it is there, and hands on what was taken', async () => {
    const prepaid: Prepaid = { need: { id: 'n', takes: [], violated: [], waitMs: null, limits: [] } }
    const keys = new FakeKeys(Promise.resolve(known(record, prepaid)))
    const found = authenticate(exchange(withKey), route('required'), { keys, clock })
    expect(found).toBeInstanceOf(Promise)
    expect(await found).toEqual({ ...holder, prepaid })
  })

  test.each<[Route['auth'], Record<string, string>, unknown]>([
    ['none', {}, anonymous],
    ['none', withKey, anonymous],
    ['optional', {}, anonymous],
    ['optional', { authorization: 'Bearer sk-other' }, anonymous],
    ['required', {}, { refused: 'key_missing' }],
    ['required', { authorization: 'Bearer sk-other' }, { refused: 'key_missing' }],
    ['required', { 'x-api-key': text }, { refused: 'key_missing' }],
  ])('auth %s with %j needs no key source', (auth, headers, expected) => {
    const keys = new FakeKeys()
    const x = exchange(headers)
    expect(authenticate(x, route(auth), { keys, clock })).toEqual(expected)
    expect([keys.asked, x.facts.account, x.facts.keyId]).toEqual([[], null, null])
  })

  test('unknown, revoked, expired, malformed and too long are one and the same answer', async () => {
    const invalid: Outcome<KnownKey> = { refused: 'key_invalid' }
    const answers: FakeKeys[] = [
      new FakeKeys(invalid),
      new FakeKeys(Promise.resolve(invalid)),
      new FakeKeys(known({ ...record, state: 'revoked' })),
      new FakeKeys(known({ ...record, expiresAtMs: clock.nowMs() })),
    ]
    for (const keys of answers) {
      for (const auth of ['required', 'optional'] as const) {
        expect(await authenticate(exchange(withKey), route(auth), { keys, clock })).toEqual(invalid)
      }
    }
    const long = exchange({ authorization: `Bearer slc_${'a'.repeat(200)}` })
    expect(authenticate(long, route('required'), { keys: new FakeKeys(), clock })).toEqual(invalid)
  })

  test('a key that nobody can judge is not invalid, also where keys are optional', async () => {
    const unavailable: Outcome<KnownKey> = { refused: 'keys_unavailable', retryAfterMs: 1_000 }
    for (const auth of ['required', 'optional'] as const) {
      const keys = new FakeKeys(Promise.resolve(unavailable))
      expect(await authenticate(exchange(withKey), route(auth), { keys, clock })).toEqual(unavailable)
    }
  })

  test('two different keys are refused before anyone is asked', () => {
    const keys = new FakeKeys()
    const x = exchange({ ...withKey, 'x-api-key': `${text.slice(0, -1)}X` })
    const both: Route = { ...route('required'), keySources: ['authorization', 'x-api-key'] }
    expect(authenticate(x, both, { keys, clock })).toEqual({ refused: 'key_conflict' })
    expect(keys.asked).toEqual([])
  })
})
