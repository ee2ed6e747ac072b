import { createHash, createHmac, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { planImport } from '../../scripts/import/plan.mjs'
import { createControlApp } from '../../src/control/app.ts'
import { newRecord } from '../../src/core/key/record-life.ts'
import type { NewKey } from '../../src/core/key/key-record.ts'
import type { Digest, KeyAdmin, Random } from '../../src/ports.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { runScript } from './run-script.ts'

const operatorToken = 'operator-token-of-the-tests'
const account = 'a000000000'
const nowMs = Date.UTC(2026, 10, 25)

const entry = {
  key: 'pk_0123456789abcdef',
  name: 'Ann',
  model: 'glm-4.7',
  token_limit_per_5h: 100_000,
  expiry_date: '2030-01-01T00:00:00Z',
  created_at: '2026-01-01T00:00:00Z',
  last_used: '2026-11-01T00:00:00Z',
  total_lifetime_tokens: 0,
  usage_windows: [{ window_start: '2026-11-01T00:00:00Z', tokens_used: 12 }],
}

const digest: Digest = {
  sha256: (text) => Promise.resolve(createHash('sha256').update(text).digest()),
  hmacSha256: (key, text) => Promise.resolve(createHmac('sha256', key).update(text).digest()),
}
const random: Random = { bytes: (count) => randomBytes(count), fraction: () => 0 }

const file = (...keys: readonly unknown[]) => ({ keys })

describe('the plan of an import', () => {
  it('is a key with the name, the model, the expiry and the limit of the old one', () => {
    expect(planImport(file(entry), nowMs)).toEqual({
      keys: [
        {
          old: 'pk_01234…',
          name: 'Ann',
          wish: {
            models: { allow: ['glm-4.7'] },
            limits: [{ kind: 'token-window', name: 'five-hours', periodSeconds: 18_000, max: 100_000 }],
            expiresAtMs: Date.UTC(2030, 0, 1),
          },
        },
      ],
      leftOut: [],
      notes: [],
    })
    expect(planImport([entry], nowMs)).toEqual(planImport(file(entry), nowMs))
  })

  it.each([
    ['has expired', { expiry_date: '2026-11-24' }, 'it has expired'],
    ['has an expiry that is no date', { expiry_date: 'soon' }, 'its expiry_date cannot be read'],
    [
      'has a limit that is no number',
      { token_limit_per_5h: 'much' },
      'its token_limit_per_5h cannot be read',
    ],
    ['has a limit of 0', { token_limit_per_5h: 0 }, 'its token_limit_per_5h lets nothing pass'],
    ['has a model that is none', { model: ['a'] }, 'its model cannot be read'],
  ])('leaves out a key that %s, since another would be more open', (_, changes, why) => {
    const { keys, leftOut } = planImport(file({ ...entry, ...changes }), nowMs)
    expect(keys).toEqual([])
    expect(leftOut).toEqual([`Key 1 (Ann, pk_01234…) is left out: ${why}.`])
  })

  it.each([
    ['no limit', { token_limit_per_5h: undefined }, 'has no limit'],
    ['a limit beyond the most', { token_limit_per_5h: 1e15 }, 'has a limit of 10^12 tokens'],
    ['no model', { model: null }, 'may use every model'],
    ['used tokens', { total_lifetime_tokens: 5 }, 'begins anew: the 5 tokens'],
  ])('says what is otherwise of a key with %s', (_, changes, note) => {
    const { keys, notes } = planImport(file({ ...entry, ...changes }), nowMs)
    expect(keys).toHaveLength(1)
    expect(notes.join('\n')).toContain(note)
  })

  it('takes numbers that are texts, and makes names that the admin API takes', () => {
    const odd = { ...entry, name: ` ${'a'.repeat(150)}\n`, token_limit_per_5h: '2500.7', expiry_date: null }
    const { keys } = planImport(file(odd, { ...entry, name: '\u0007', key: 7 }), nowMs)
    expect(keys.map(({ name }) => name)).toEqual(['a'.repeat(100), 'key 2'])
    expect(keys[0]?.wish).toMatchObject({ limits: [{ max: 2500 }] })
    expect(keys[0]?.wish).not.toHaveProperty('expiresAtMs')
    expect(keys[1]?.old).toBe('no key')
  })

  it.each([[null], [7], ['keys'], [{}], [{ keys: {} }]])('is none of %j', (document) => {
    expect(() => planImport(document, nowMs)).toThrow('no list of keys')
  })
})

describe('import-apikeys.mjs, against the admin API', () => {
  const made: NewKey[] = []
  let accounts: string[] = []
  let failAt = Infinity
  let folder: string
  let gateway: Server
  let url: string

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'import-'))
    const app = createControlApp({
      operatorToken,
      admin: adminOf(),
      config: () => null,
      history: { note: () => Promise.resolve([]) },
      digest,
      random,
      clock: new FakeClock(),
      recorder: { bug: () => {} },
    })
    const answer = async (request: Request, res: ServerResponse) => {
      const { status, headers, body } = await app.fetch(request)
      res.writeHead(status, Object.fromEntries(headers)).end(await new Response(body).text())
    }
    gateway = createServer((req, res) => {
      const chunks: Buffer[] = []
      req.on('data', (chunk: Buffer) => chunks.push(chunk))
      req.on('end', () => {
        const { method = 'GET', url: path = '/' } = req
        const headers = new Headers(req.headers as Record<string, string>)
        const body = method === 'GET' ? null : Buffer.concat(chunks)
        void answer(new Request(`http://gateway${path}`, { method, headers, body }), res)
      })
    })
    await new Promise<void>((resolve) => void gateway.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`
  })

  afterAll(() => {
    gateway.close()
    rmSync(folder, { recursive: true })
  })

  beforeEach(() => {
    made.length = 0
    accounts = []
    failAt = Infinity
  })

  /** Accounts and keys in memory; the keys' texts are their numbers. */
  function adminOf(): KeyAdmin {
    const admin: Partial<KeyAdmin> = {
      createAccount: ({ name, region }) => {
        accounts.push(name)
        const life = { generation: 1, state: 'active', createdAtMs: 1, deletedAtMs: null } as const
        return Promise.resolve({ id: account, name, region, ...life })
      },
      createKey: (of, key) => {
        if (made.length === failAt) {
          return Promise.resolve({ refused: 'accounts_unavailable', retryAfterMs: 1_000 })
        }
        made.push(key)
        const id = `k${String(made.length).padStart(9, '0')}`
        const record = newRecord(of, { ...key, id, hash: 'h', createdAtMs: 1 })
        return Promise.resolve({ text: `new-key-${made.length}`, record })
      },
    }
    return admin as KeyAdmin
  }

  function run(keys: readonly unknown[], args: readonly string[] = []) {
    const path = join(folder, 'apikeys.json')
    writeFileSync(path, JSON.stringify({ keys }))
    const all = [path, '--gateway', url, ...args]
    return runScript('import-apikeys.mjs', all, { SLUICE_OPERATOR_TOKEN: operatorToken }).ended
  }

  it('makes the account and the keys, and tells each new key once', async () => {
    const { code, output } = await run([entry, { ...entry, name: 'Bob', token_limit_per_5h: undefined }])
    expect([code, accounts]).toEqual([0, ['glm-proxy']])
    expect(output).toContain('Ann\tpk_01234…\tnew-key-1\n')
    expect(output.split('new-key-2')).toHaveLength(2)
    expect(output).toContain('not carried over')
    expect(output).not.toContain(entry.key)
    expect(made).toMatchObject([
      {
        name: 'Ann',
        models: { allow: ['glm-4.7'], deny: [] },
        limits: [{ name: 'five-hours', kind: 'token-window', max: 100_000, periodMs: 18_000_000 }],
        expiresAtMs: Date.UTC(2030, 0, 1),
      },
      { name: 'Bob', limits: [] },
    ])
  })

  it('says how to go on where it broke off, and goes on there', async () => {
    failAt = 1
    const keys = [entry, { ...entry, name: 'Bob' }]
    const broken = await run(keys)
    expect(broken.code).toBe(1)
    expect(broken.output).toContain(`--account ${account} --skip 1`)
    failAt = Infinity
    const rest = await run(keys, ['--account', account, '--skip', '1'])
    expect([rest.code, accounts.length, made.map(({ name }) => name)]).toEqual([0, 1, ['Ann', 'Bob']])
  })

  it('makes nothing in a dry run, without a token, or where no key is good', async () => {
    const none = await run([{ ...entry, token_limit_per_5h: 0 }])
    expect([none.code, none.output.includes('no account is made')]).toEqual([0, true])
    const dry = await run([entry], ['--dry-run'])
    expect([dry.code, dry.output.includes('"max":100000')]).toEqual([0, true])
    const args = [join(folder, 'apikeys.json'), '--gateway', url]
    const bare = await runScript('import-apikeys.mjs', args, { SLUICE_OPERATOR_TOKEN: undefined }).ended
    expect(bare.output).toContain('token is missing')
    expect([bare.code, made.length, accounts.length]).toEqual([1, 0, 0])
  })

  it.each([
    [[], 'Name one file'],
    [['a', 'b', '--gateway', 'http://x'], 'Name one file'],
    [['a'], '--gateway is where it answers'],
    [['a', '--gateway', 'http://x', '--skip', 'x'], '--skip is a number of keys'],
    [['a', '--gatway', 'http://x'], '--gatway'],
  ])('takes %j for a mistake', async (args, sentence) => {
    const { code, output } = await runScript('import-apikeys.mjs', args).ended
    expect([code, output.includes(sentence)]).toEqual([2, true])
  })
})
