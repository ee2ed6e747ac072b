import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { runScript, type RunningScript } from './run-script.ts'

const state = mkdtempSync(join(tmpdir(), 'sluice-start-'))
const running = new Set<RunningScript>()

afterAll(async () => {
  for (const { child, ended } of running) {
    child.kill('SIGTERM')
    await ended
  }
  rmSync(state, { recursive: true, force: true })
})

async function start(...args: readonly string[]) {
  const script = runScript('start.mjs', ['--port', '0', '--state', state, ...args])
  running.add(script)
  await script.until(/Ctrl-C stops it/)
  const curls = script
    .output()
    .split('\n')
    .filter((line) => line.startsWith('curl '))
  return { script, curls, key: /slc_\w+/.exec(script.output())?.[0] ?? '' }
}

/** Does what a printed curl line does. */
function perform(curl: string) {
  const headers = [...curl.matchAll(/-H '([^:]+): ([^']+)'/g)].map(
    ([, name = '', value = '']) => [name, value] as [string, string],
  )
  const body = /-d '([^']+)'/.exec(curl)?.[1]
  return fetch(
    /http:\S+/.exec(curl)?.[0] ?? '',
    body === undefined ? { headers } : { method: 'POST', headers, body },
  )
}

async function stop(script: RunningScript, signal: NodeJS.Signals) {
  script.child.kill(signal)
  const { code } = await script.ended
  running.delete(script)
  return code
}

describe('npm start', () => {
  it(
    'gives a gateway whose printed lines work, keeps its key, and leaves nothing behind',
    { timeout: 120_000 },
    async () => {
      const first = await start()
      const [health = '', json = '', stream = ''] = first.curls
      expect(first.curls).toHaveLength(3)
      expect(await (await perform(health)).json()).toMatchObject({ status: 'ok' })
      expect(await (await perform(json)).json()).toMatchObject({
        object: 'chat.completion',
        model: 'gpt-mock',
      })
      expect(await (await perform(stream)).text()).toMatch(/^data: \{.*\n\ndata: \[DONE\]\n\n$/s)
      await first.script.until(/^\{.*"ending":"complete".*\}$/m)

      for (const name of ['secrets.json', 'demo.json']) {
        expect(statSync(join(state, name)).mode & 0o777).toBe(0o600)
      }
      const { SLUICE_KEY_RING: ring } = JSON.parse(
        readFileSync(join(state, 'secrets.json'), 'utf8'),
      ) as Record<string, string>
      expect(first.script.output()).not.toContain(ring)

      expect(await stop(first.script, 'SIGTERM')).toBe(0)
      await expect(perform(health)).rejects.toThrow()

      const second = await start()
      expect(second.key).toBe(first.key)
      expect(await stop(second.script, 'SIGINT')).toBe(0)

      const third = await start('--reset')
      expect(third.key).not.toBe(first.key)
      const forgotten = (third.curls[1] ?? '').replace(third.key, first.key)
      expect((await perform(forgotten)).status).toBe(401)
      expect(await stop(third.script, 'SIGTERM')).toBe(0)
    },
  )

  it('says in one sentence that the port is taken', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const { code, output } = await runScript('start.mjs', ['--port', String(port), '--state', state]).ended
    server.close()
    expect(code).toBe(1)
    expect(output).toMatch(new RegExp(`^Port ${port} is taken[^\\n]*\\.\\n$`))
  })

  it.each([[['--port', 'many']], [['--verbose']]])(
    'refuses %j with one sentence and exit code 2',
    async (args) => {
      const { code, output } = await runScript('start.mjs', args).ended
      expect(code).toBe(2)
      expect(output).toMatch(/^[^\n]+\.\n$/)
    },
  )

  it(
    'names the variable that a real upstream lacks, and calls nobody to say so',
    { timeout: 60_000 },
    async () => {
      const script = runScript(
        'start.mjs',
        ['--port', '0', '--state', state, '--upstream', 'openai=http://127.0.0.1:9'],
        { OPENAI_API_KEY: undefined },
      )
      running.add(script)
      await script.until(/Ctrl-C stops it/)
      expect(script.output()).toMatch(/Warning: upstream "openai"[^\n]*OPENAI_API_KEY/)
      expect(script.output()).not.toContain('ANTHROPIC_API_KEY')
      expect(await stop(script, 'SIGTERM')).toBe(0)
    },
  )
})
