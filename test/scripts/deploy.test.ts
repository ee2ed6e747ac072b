import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runScript } from './run-script.ts'

interface WranglerCall {
  readonly args: readonly string[]
  readonly input: string
  readonly environment: readonly string[]
}

interface AdminCall {
  readonly request: string
  readonly authorization: string
  readonly body: unknown
}

const issuedKey = 'slc_a_account001_keynumber1_shown'

/** Records its calls and behaves as wrangler does: secrets it was given are there in the next list. */
const wranglerProgram = `#!${process.execPath}
const { appendFileSync, readFileSync, writeFileSync } = require('node:fs')
const { join } = require('node:path')
const folder = __dirname
const args = process.argv.slice(2)
const input = readFileSync(0, 'utf8')
appendFileSync(join(folder, 'calls'), JSON.stringify({ args, input, environment: Object.values(process.env) }) + '\\n')
const state = JSON.parse(readFileSync(join(folder, 'state'), 'utf8'))
const [command, second, name] = args
if (command === 'secret' && second === 'list') {
  if (state.secrets === null) {
    console.error('X [ERROR] Worker "sluice" (env: staging) not found.')
    process.exit(1)
  }
  console.log(JSON.stringify(state.secrets.map((secret) => ({ name: secret, type: 'secret_text' })), null, 2))
}
if (command === 'secret' && second === 'put') {
  if (state.putFails) process.exit(1)
  state.secrets = [...(state.secrets ?? []), name]
  writeFileSync(join(folder, 'state'), JSON.stringify(state))
  console.log('Success! Uploaded secret ' + name)
}
if (command === 'deploy') {
  console.log('Uploaded sluice')
  const lines = [{ type: 'wrangler-session' }, { type: 'deploy', targets: state.targets }]
  writeFileSync(process.env.WRANGLER_OUTPUT_FILE_PATH, lines.map((line) => JSON.stringify(line)).join('\\n') + '\\n')
}
`

let folder = ''
let gateway: Server
let url = ''
let adminCalls: AdminCall[] = []
/** Answers 404 to so many calls first, as a Worker does that has no secrets yet. */
let notReadyCalls = 0

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-deploy-'))
  writeFileSync(join(folder, 'wrangler'), wranglerProgram, { mode: 0o755 })
  adminCalls = []
  notReadyCalls = 0
  gateway = createServer((req, res) => {
    void (async () => {
      const chunks: Buffer[] = []
      for await (const chunk of req) chunks.push(chunk as Buffer)
      if (notReadyCalls > 0) {
        notReadyCalls -= 1
        res.writeHead(404).end('{}')
        return
      }
      const request = `${req.method} ${req.url}`
      const body: unknown = JSON.parse(Buffer.concat(chunks).toString())
      adminCalls.push({ request, authorization: req.headers.authorization ?? '', body })
      const isKey = request.endsWith('/keys')
      res.writeHead(201, { 'content-type': 'application/json' })
      res.end(JSON.stringify(isKey ? { id: 'keynumber1', key: issuedKey } : { id: 'account001' }))
    })()
  })
  await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`
})

afterEach(() => {
  gateway.close()
  rmSync(folder, { recursive: true, force: true })
})

async function deploy(
  args: readonly string[],
  state: { secrets: string[] | null; targets?: string[]; putFails?: boolean },
  variables: Readonly<Record<string, string>> = {},
) {
  writeFileSync(join(folder, 'state'), JSON.stringify({ targets: [], ...state }))
  writeFileSync(join(folder, 'calls'), '')
  const { code, output } = await runScript('deploy.mjs', args, {
    SLUICE_WRANGLER: join(folder, 'wrangler'),
    SLUICE_OPERATOR_TOKEN: undefined,
    ...variables,
  }).ended
  const calls = readFileSync(join(folder, 'calls'), 'utf8')
    .trim()
    .split('\n')
    .filter((line) => line !== '')
  return { code, output, calls: calls.map((line) => JSON.parse(line) as WranglerCall) }
}

function commands(calls: readonly WranglerCall[]) {
  return calls.map(({ args }) => args.join(' '))
}

function inputOf(calls: readonly WranglerCall[], name: string): string {
  return calls.find(({ args }) => args[1] === 'put' && args[2] === name)?.input ?? ''
}

const allSecrets = ['SLUICE_KEY_RING', 'SLUICE_OPERATOR_TOKEN', 'OPENAI_API_KEY', 'ANTHROPIC_API_KEY']

describe('npm run deploy', () => {
  it('makes the secrets of a new Worker, deploys it, and prints the key of its first account', async () => {
    notReadyCalls = 1
    const { code, output, calls } = await deploy(['--env', 'staging', '--url', url, '--region', 'weur'], {
      secrets: null,
    })
    expect(code).toBe(0)
    expect(commands(calls)).toEqual([
      'secret list --env staging',
      'secret put SLUICE_KEY_RING --env staging',
      'secret put SLUICE_OPERATOR_TOKEN --env staging',
      'deploy --env staging',
    ])
    const token = inputOf(calls, 'SLUICE_OPERATOR_TOKEN')
    expect(adminCalls).toEqual([
      {
        request: 'POST /_sluice/v1/accounts',
        authorization: `Bearer ${token}`,
        body: { name: 'first', region: 'weur' },
      },
      {
        request: 'POST /_sluice/v1/accounts/account001/keys',
        authorization: `Bearer ${token}`,
        body: { name: 'first' },
      },
    ])
    expect(output.split(issuedKey)).toHaveLength(2)
    expect(output).toMatch(/npx wrangler secret put OPENAI_API_KEY --env staging/)
    expect(output).toMatch(/npx wrangler secret put ANTHROPIC_API_KEY --env staging/)
  })

  it('hands secrets over by standard input alone, and shows the operator its token once and the ring never', async () => {
    const { output, calls } = await deploy(['--url', url], { secrets: [] })
    const ring = inputOf(calls, 'SLUICE_KEY_RING')
    const token = inputOf(calls, 'SLUICE_OPERATOR_TOKEN')
    expect(ring).toMatch(/^[0-9a-z]{1,8}=[\w-]{43}$/)
    expect(token).toMatch(/^[\w-]{43}$/)
    for (const secret of [ring, token]) {
      for (const { args, environment } of calls) {
        expect(args.join(' ')).not.toContain(secret)
        expect(environment.join('\n')).not.toContain(secret)
      }
    }
    expect(output.split(token)).toHaveLength(2)
    expect(output).not.toContain(ring)
  })

  it('makes no other secrets and no account where they are', async () => {
    const { code, output, calls } = await deploy(['--env', 'production'], { secrets: allSecrets })
    expect(code).toBe(0)
    expect(commands(calls)).toEqual(['secret list --env production', 'deploy --env production'])
    expect(adminCalls).toEqual([])
    expect(output).not.toMatch(/secret put/)
  })

  it('makes each new ring and token different', async () => {
    const first = await deploy(['--url', url], { secrets: null })
    const second = await deploy(['--url', url], { secrets: null })
    for (const name of ['SLUICE_KEY_RING', 'SLUICE_OPERATOR_TOKEN']) {
      expect(inputOf(first.calls, name)).not.toBe(inputOf(second.calls, name))
    }
  })

  it("sets and uses the operator's own token without showing it or handing it to wrangler's environment", async () => {
    const token = 'the-token-of-the-operator'
    const { output, calls } = await deploy(
      ['--url', url],
      { secrets: null },
      { SLUICE_OPERATOR_TOKEN: token },
    )
    expect(inputOf(calls, 'SLUICE_OPERATOR_TOKEN')).toBe(token)
    expect(adminCalls[0]?.authorization).toBe(`Bearer ${token}`)
    expect(output).not.toContain(token)
    for (const { environment } of calls) expect(environment).not.toContain(token)
  })

  it('shows nothing secret and makes no account in CI', async () => {
    const { code, output, calls } = await deploy(['--url', url], { secrets: null }, { CI: 'true' })
    expect(code).toBe(0)
    for (const name of ['SLUICE_KEY_RING', 'SLUICE_OPERATOR_TOKEN']) {
      expect(inputOf(calls, name)).not.toBe('')
      expect(output).not.toContain(inputOf(calls, name))
    }
    expect(adminCalls).toEqual([])
    expect(output).not.toMatch(/slc_/)
  })

  it('says how to go on when the Worker has no address', async () => {
    const { code, output } = await deploy([], {
      secrets: null,
      targets: ['*.example.com/* (zone name: example.com)'],
    })
    expect(code).toBe(0)
    expect(output).toMatch(/no address yet.*--account NAME --url/s)
    expect(adminCalls).toEqual([])
  })

  it("asks for the operator's token when an account is wanted and the token is not known", async () => {
    const { code, output } = await deploy(['--account', 'more', '--url', url], { secrets: allSecrets })
    expect(code).toBe(1)
    expect(output).toMatch(/SLUICE_OPERATOR_TOKEN/)
  })

  it('makes a ring beside a token that it does not know, and says what an account takes', async () => {
    const { code, output, calls } = await deploy(['--url', url], { secrets: ['SLUICE_OPERATOR_TOKEN'] })
    expect(code).toBe(0)
    expect(commands(calls)).toEqual([
      'secret list --env ',
      'secret put SLUICE_KEY_RING --env ',
      'deploy --env ',
    ])
    expect(output).toMatch(/SLUICE_OPERATOR_TOKEN, then npm run deploy -- --account NAME/)
  })

  it('does not deploy when a secret could not be set', async () => {
    const { code, calls } = await deploy([], { secrets: [], putFails: true })
    expect(code).toBe(1)
    expect(commands(calls)).toEqual(['secret list --env ', 'secret put SLUICE_KEY_RING --env '])
  })

  it.each([
    [['--env', 'prod'], 2],
    [['--url', 'example.com'], 2],
    [['--nothing'], 2],
    [['--region', 'mars'], 1],
  ])('refuses %j with one sentence, before anything is done', async (args, expected) => {
    const { code, output, calls } = await deploy(args, { secrets: null })
    expect(code).toBe(expected)
    expect(output).toMatch(/^[^\n]+\.\n$/)
    expect(calls).toEqual([])
  })
})

describe('npm run deploy -- --dry-run', () => {
  it('builds every environment without a warning and without Cloudflare', { timeout: 60_000 }, async () => {
    const { code, output } = await runScript('deploy.mjs', ['--dry-run'], { CLOUDFLARE_API_TOKEN: undefined })
      .ended
    expect(output).toMatch(/top level: builds.*staging: builds.*production: builds/s)
    expect(output).toMatch(/SLUICE_KEY_RING, SLUICE_OPERATOR_TOKEN, OPENAI_API_KEY, ANTHROPIC_API_KEY/)
    expect(code).toBe(0)
  })
})
