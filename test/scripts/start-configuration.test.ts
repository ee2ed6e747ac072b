import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { pointUpstreams, readConfiguration, secretNames } from '../../scripts/start/configuration.mjs'
import { upstreamSecrets } from '../../scripts/start/secrets.mjs'

const mockUrl = 'http://127.0.0.1:4000'

function configuration() {
  return {
    version: 1,
    gateway: { name: 'here' },
    upstreams: {
      chat: {
        dialect: 'openai',
        targets: [
          { origin: 'https://a.example/base/', secret: { secret: 'A_KEY' } },
          { origin: 'https://b.example', secret: { secret: 'B_KEY' } },
        ],
      },
      plain: { dialect: 'http', targets: [{ origin: 'http://c.example:81/c' }] },
    },
    routes: [],
  }
}

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-configuration-'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

function originsOf({ document }: ReturnType<typeof pointUpstreams>) {
  return Object.values(document.upstreams).flatMap(({ targets }) => targets.map(({ origin }) => origin))
}

describe('pointing a configuration at other origins', () => {
  it.each([
    ['nothing', {}, [`${mockUrl}/base`, mockUrl, `${mockUrl}/c`]],
    [
      'all',
      { '*': 'https://real.example' },
      ['https://real.example/base', 'https://real.example', 'https://real.example/c'],
    ],
    [
      'one',
      { chat: 'https://real.example' },
      ['https://real.example/base', 'https://real.example', `${mockUrl}/c`],
    ],
    [
      'a path',
      { plain: 'https://real.example/v9/' },
      [`${mockUrl}/base`, mockUrl, 'https://real.example/v9'],
    ],
    [
      'one and all',
      { '*': 'https://d.example', plain: 'https://e.example/e' },
      ['https://d.example/base', 'https://d.example', 'https://e.example/e'],
    ],
  ])('moves every target that is told to, and the rest to the mock: %s', (_name, given, origins) => {
    expect(originsOf(pointUpstreams(configuration(), mockUrl, given))).toEqual(origins)
  })

  it('takes no word on the client address, keeps the other settings, and leaves the document it got', () => {
    const document = configuration()
    const pointed = pointUpstreams(document, mockUrl, {})
    expect(pointed.document.gateway).toEqual({ name: 'here', clientAddress: 'none' })
    expect(document).toEqual(configuration())
  })

  it('says which upstreams there are when it is given another', () => {
    expect(() => pointUpstreams(configuration(), mockUrl, { chatt: mockUrl })).toThrow(/"chatt".*chat, plain/)
  })
})

describe('reading the configuration', () => {
  it('reports every problem on a line of its own', () => {
    const text = JSON.stringify({ version: 2, upstreams: {}, routes: [{ path: 'x', upstream: 'none' }] })
    const read = () => readConfiguration(folderWith({ 'sluice.config.json': text }))
    expect(read).toThrow(/^sluice\.config\.json cannot be used:\n {2}\$/)
    expect(read).toThrow(/\$\.version/)
    expect(read).toThrow(/\$\.routes\[0\]\.path/)
  })

  it('says that a file is not JSON', () => {
    expect(() => readConfiguration(folderWith({ 'sluice.config.json': '{' }))).toThrow(/is not JSON/)
  })
})

describe('the secrets of upstreams', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  it('are named once each', () => {
    expect(secretNames(configuration())).toEqual(['A_KEY', 'B_KEY'])
  })

  it('come from the environment, then from .dev.vars, and are a placeholder for the mock', () => {
    vi.stubEnv('A_KEY', 'from the environment')
    const folder = folderWith({ '.dev.vars': 'A_KEY=no\nB_KEY="from the file"\n' })
    const { upstreams } = pointUpstreams(configuration(), mockUrl, {})
    expect(upstreamSecrets(folder, upstreams)).toEqual({
      secrets: { A_KEY: 'from the environment', B_KEY: 'from the file' },
      missing: [],
    })
    vi.stubEnv('A_KEY', '')
    expect(upstreamSecrets(folderWith({}), upstreams).secrets).toEqual({
      A_KEY: 'local-mock-credential',
      B_KEY: 'local-mock-credential',
    })
  })

  it('are reported, not made up, for a real upstream', () => {
    const { upstreams } = pointUpstreams(configuration(), mockUrl, { chat: 'https://real.example' })
    expect(upstreamSecrets(folderWith({}), upstreams)).toEqual({
      secrets: {},
      missing: [
        { name: 'A_KEY', upstream: 'chat' },
        { name: 'B_KEY', upstream: 'chat' },
      ],
    })
  })
})
