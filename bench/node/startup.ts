import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeSecrets } from '../../scripts/start/state.mjs'
import { projectFolder } from '../rig/bundle.ts'
import { startRig } from '../rig/rig.ts'
import { readWorkerSettings } from '../rig/wrangler-settings.ts'
import { blockBootstrap, median, type Estimate } from './stats.ts'

/** Milliseconds from starting workerd to the first 200. */
export interface StartUp {
  /** The gateway less an empty Worker with the same bindings: what our own code adds. */
  readonly added: Estimate
  readonly gatewayMs: number
  readonly emptyMs: number
}

/**
 * Starts the gateway and an empty Worker by turns and compares the times to their first answer (`GET /health`).
 * @param pairs number of starts of each
 */
export async function measureStartUp(pairs: number, seed: number): Promise<StartUp> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-empty-'))
  const empty = join(folder, 'index.js')
  writeFileSync(empty, emptyWorker())
  try {
    await firstAnswerMs()
    await firstAnswerMs(empty)
    const taken: { readonly gatewayMs: number; readonly emptyMs: number }[] = []
    for (let pair = 0; pair < pairs; pair++) {
      const emptyFirst = pair % 2 === 0 ? await firstAnswerMs(empty) : null
      const gatewayMs = await firstAnswerMs()
      taken.push({ gatewayMs, emptyMs: emptyFirst ?? (await firstAnswerMs(empty)) })
    }
    const differences = taken.map(({ gatewayMs, emptyMs }) => [gatewayMs - emptyMs])
    return {
      added: blockBootstrap(differences, median, { seed }),
      gatewayMs: median(taken.map(({ gatewayMs }) => gatewayMs)),
      emptyMs: median(taken.map(({ emptyMs }) => emptyMs)),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Exports the classes that wrangler.toml binds and answers everything with 200. */
function emptyWorker(): string {
  const { durable } = readWorkerSettings(`${projectFolder}wrangler.toml`)
  return [
    `import { DurableObject } from 'cloudflare:workers'`,
    ...durable.map(({ className }) => `export class ${className} extends DurableObject {}`),
    `export default { fetch: () => new Response('ok') }`,
    '',
  ].join('\n')
}

async function firstAnswerMs(bundle?: string): Promise<number> {
  const startedMs = performance.now()
  const rig = await startRig({ bindings: makeSecrets(), ...(bundle !== undefined && { bundle }) })
  try {
    const res = await fetch(`${rig.url}/health`)
    await res.arrayBuffer()
    if (res.status !== 200) throw new Error(`/health answered ${res.status}.`)
    return performance.now() - startedMs
  } finally {
    await rig.close()
  }
}
