import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { pointUpstreams, readConfiguration } from '../../scripts/start/configuration.mjs'
import { makeLlmBody } from '../micro/llm-bodies.ts'
import { startMock } from '../mock/server.ts'
import { projectFolder } from '../rig/bundle.ts'
import { startGateway, type Gateway } from '../rig/gateway.ts'
import { startPassthrough } from '../rig/plain-worker.ts'
import type { RequestParts } from './connection.ts'
import { cpuRatio, runCpuBlocks, withConnections, type CpuBlock, type Leg } from './paired.ts'
import type { Estimate } from './stats.ts'

export interface BodyEffort {
  readonly groups: number
  readonly perBlock: number
}

/** What a large body costs that is rewritten on its way. */
export interface BodyFindings {
  readonly bytes: number
  readonly cpuRatio: Estimate
  readonly blocks: readonly CpuBlock[]
  /** From the client's first byte until the upstream had the headers. */
  readonly startMs: number
  /** From the client's first byte until its last one. */
  readonly uploadMs: number
}

const path = '/v1/chat/completions'
/** Asked for so, a body of 1.0 MB is made. */
const bodyBytes = 1_210_000
/** Its answer is the same as that to any model without a directive. */
const override = 'mock/n=16'
const warmUp = 20

/** The body of a coding agent, asking for no stream. */
function agentBody(): string {
  return new TextDecoder().decode(makeLlmBody('agent', bodyBytes)).replace('"stream":true', '"stream":false')
}

/** Measures a body of 1 MB with its model overridden beside the pass-through Worker, which hands it over. */
export async function measureBodies({ groups, perBlock }: BodyEffort, seed: number): Promise<BodyFindings> {
  const mock = await startMock()
  const passthrough = await startPassthrough(mock.url)
  const gateway = await overridingGateway(mock.url)
  const body = agentBody()
  try {
    const headers = { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' }
    const legs: readonly Leg[] = [
      { name: 'passthrough', origin: passthrough.url, cpuNs: passthrough.cpuNs },
      { name: 'gateway', origin: gateway.rig.url, cpuNs: gateway.rig.cpuNs },
    ]
    const request: RequestParts = { method: 'POST', path, headers, body }
    const blocks = await withConnections(legs, request, async ([first, second]) => {
      if (first === undefined || second === undefined) throw new Error('The legs have no connections.')
      for (const { leg, ask } of [first, second]) {
        for (let sent = 0; sent < warmUp; sent++) {
          const { status } = await ask()
          if (status !== 200) throw new Error(`${leg.name} answered ${status}.`)
        }
      }
      return runCpuBlocks([first, second], { groups, perBlock })
    })
    const { startMs, uploadMs } = await timeUpload(body)
    return { bytes: Buffer.byteLength(body), cpuRatio: cpuRatio(blocks, seed), blocks, startMs, uploadMs }
  } finally {
    await Promise.all([gateway.rig.close(), passthrough.close(), mock.close()])
  }
}

/** The project's own configuration, with one model for all chat completions. */
async function overridingGateway(upstreamUrl: string): Promise<Gateway> {
  const { document } = pointUpstreams(readConfiguration(projectFolder), upstreamUrl, {})
  const { routes } = document as unknown as { readonly routes: readonly { readonly path: string }[] }
  const changed = routes.map((route) => (route.path === path ? withOverride(route) : route))
  return startGateway(upstreamUrl, { bindings: { SLUICE_CONFIG: { ...document, routes: changed } } })
}

function withOverride(route: object): object {
  return { ...route, models: { override } }
}

const pieceBytes = 65_536
const betweenPiecesMs = 25

/** Uploads a body slowly, and sees when the upstream learns of it. */
async function timeUpload(body: string): Promise<{ readonly startMs: number; readonly uploadMs: number }> {
  let arrivedMs = Number.NaN
  const upstream = createServer((req, res) => {
    arrivedMs = performance.now()
    req.resume().on('end', () => res.writeHead(200, { 'content-type': 'application/json' }).end('{}'))
  })
  const url = await listening(upstream)
  const gateway = await overridingGateway(url)
  try {
    const { hostname, port } = new URL(gateway.rig.url)
    const socket = connect({ host: hostname, port: Number(port), noDelay: true })
    const answered = new Promise<void>((resolve, reject) => {
      socket.once('data', () => resolve()).once('error', reject)
    })
    const bytes = Buffer.from(body)
    const head = `POST ${path} HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${gateway.key}\r\n`
    const startedMs = performance.now()
    socket.write(`${head}content-type: application/json\r\ncontent-length: ${bytes.length}\r\n\r\n`)
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      socket.write(bytes.subarray(at, at + pieceBytes))
      await wait(betweenPiecesMs)
    }
    const uploadMs = performance.now() - startedMs
    await answered
    socket.destroy()
    return { startMs: arrivedMs - startedMs, uploadMs }
  } finally {
    await gateway.rig.close()
    upstream.closeAllConnections()
    upstream.close()
  }
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
