import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { unstable_readConfig as readWranglerConfig } from 'wrangler'
import { parseKeyText } from '../../src/core/key/key-text.ts'
import { root } from './static-sources.ts'

interface LockedPackage {
  readonly link?: boolean
  readonly resolved?: string
  readonly integrity?: string
}

function readJson(name: string): Readonly<Record<string, unknown>> {
  return JSON.parse(readFileSync(join(root, name), 'utf8')) as Readonly<Record<string, unknown>>
}

describe('C62: packages', () => {
  test('nothing is needed at run time', () => {
    const { dependencies, optionalDependencies, peerDependencies, bundledDependencies } =
      readJson('package.json')
    expect({ dependencies, optionalDependencies, peerDependencies, bundledDependencies }).toEqual({})
  })

  test('what development needs is named by exact version', () => {
    const versions = Object.values(readJson('package.json')['devDependencies'] as Record<string, string>)
    for (const version of versions) expect(version).toMatch(/^\d+\.\d+\.\d+(-[\w.]+)?$/)
  })

  test('every locked package is a tarball with a SHA-512', () => {
    const packages = Object.entries(
      readJson('package-lock.json')['packages'] as Record<string, LockedPackage>,
    )
    const locked = packages.filter(([path]) => path !== '')
    expect(locked.length).toBeGreaterThan(50)
    for (const [path, { resolved, integrity, link }] of locked) {
      expect(link, path).toBeUndefined()
      expect(integrity, path).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/)
      if (resolved !== undefined) expect(resolved, path).toMatch(/^https:\/\/[^/@]+\/.*\.tgz$/)
    }
  })
})

function configOf(env: string) {
  const args = { config: join(root, 'wrangler.toml'), ...(env === '' ? {} : { env }) }
  return readWranglerConfig(args, { hideWarnings: true })
}

describe('C62: wrangler.toml', () => {
  const flags = ['enable_request_signal', 'pipe_to_backward_propagation', 'global_fetch_strictly_public']

  test.each(['', 'production'])('of environment "%s" has no public address but its routes', (env) => {
    const { workers_dev: workersDev, preview_urls: previewUrls } = configOf(env)
    expect({ workersDev, previewUrls }).toEqual({ workersDev: false, previewUrls: false })
  })

  test.each(['', 'staging', 'production'])('of environment "%s" sets what the gateway relies on', (env) => {
    const { compatibility_flags: set, compatibility_date: date } = configOf(env)
    expect(set).toEqual(expect.arrayContaining(flags))
    expect(date && date >= '2026-10-23').toBe(true)
  })

  test.each(['', 'staging', 'production'])('of environment "%s" holds no secret', (env) => {
    const { vars, secrets } = configOf(env)
    expect(vars).toEqual({})
    expect(secrets?.required).toEqual(['SLUICE_KEY_RING', 'SLUICE_OPERATOR_TOKEN'])
  })
})

/** What credentials look like; no value of any is in a file that is not about testing. */
const credentials: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['a client key', /slc_[0-9a-z]{1,8}_[0-9a-z]{10}_[0-9a-z]{10}_[0-9A-Za-z]{22}_[0-9A-Za-z]{17}/],
  ['a provider key', /\bsk-(?!\.\.\.)[\w-]{8,}/],
  ['a token of a code host', /\bgh[a-z]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}/],
  ['a key ring', /SLUICE_KEY_RING["'\s:=]+[0-9a-z]{1,8}=[\w-]{20,}/],
  ['an operator token', /SLUICE_OPERATOR_TOKEN["'\s:=]+(?!\$|undefined|null|string)["']?[\w-]{16,}/],
  ['a private key', /-----BEGIN [A-Z ]*PRIVATE KEY-----/],
]
/** Letters of both cases and digits, without a word's hyphens: key material of some kind. */
const material =
  /(?<![\w+/=-])(?=[\w+/-]*\d)(?=[\w+/-]*[a-z])(?=[\w+/-]*[A-Z])[A-Za-z0-9+/_-]{40,}={0,2}(?![\w+/-])/g

/** Tracked by git, or about to be. */
function filesOfRepository(): readonly string[] {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '-z']
  const listed = execFileSync('git', args, { cwd: root, encoding: 'utf8' })
  return listed.split('\0').filter((name) => name !== '' && existsSync(join(root, name)))
}

describe.runIf(existsSync(join(root, '.git')))('C35, C62: no default credential is in the repository', () => {
  const names = filesOfRepository()
  const aboutTesting = /^(test\/|vitest\.config\.ts$|package-lock\.json$)/

  test.each(credentials)('%s', (_, pattern) => {
    const found = names
      .filter((name) => !aboutTesting.test(name))
      .filter((name) => pattern.test(readFileSync(join(root, name), 'utf8')))
    expect(found).toEqual([])
  })

  test('key material', () => {
    const found = names
      .filter((name) => !aboutTesting.test(name))
      .flatMap((name) => readFileSync(join(root, name), 'utf8').match(material) ?? [])
    const unknown = found.filter((text) => !text.includes('/') && !text.includes('0123456789'))
    expect(unknown).toEqual([])
    expect('= "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldDE="'.match(material)).toHaveLength(1)
  })

  test.each([
    ['a client key', 'slc_a_0123456789_0123456789_0123456789012345678901_01234567890123456'],
    ['a provider key', 'OPENAI_API_KEY=sk-proj-abcdefgh'],
    ['a key ring', 'SLUICE_KEY_RING = "a=dGVzdC1yaW5nLWVudHJ5LW9mLTMyLWJ5dGVzLWxvbmc"'],
    ['an operator token', "SLUICE_OPERATOR_TOKEN: 'operator-token-of-somebody'"],
  ])('%s would be noticed', (what, text) => {
    const pattern = credentials.find(([name]) => name === what)?.[1]
    expect(pattern?.test(text)).toBe(true)
  })
})

test('the example of a key in this file is one', () => {
  expect(parseKeyText('slc_a_0123456789_0123456789_0123456789012345678901_01234567890123456')).not.toBeNull()
})
