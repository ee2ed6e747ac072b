import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { startMock } from '../mock/server.ts'
import { startGateway } from '../rig/gateway.ts'

/** How often a stream makes the runtime run JavaScript, once its headers are there. */
export interface WakeUps {
  /** Runs with less than 10 ms between them count as one. */
  readonly wakeUps: number
  /** Every time the isolate is entered: each settled read or timer is one. */
  readonly turns: number
  /** Milliseconds of a processor that JavaScript took. */
  readonly busyMs: number
}

/** A line of workerd's structural trace; times in nanoseconds. */
interface TraceLine {
  readonly e: string
  readonly ctx: number
  readonly id?: number
  readonly kind?: string
  readonly name?: string
  readonly cause?: number
  readonly start?: number
  readonly locked?: number
  readonly end?: number
}

const sameWakeUpNs = 10_000_000
/** Records are written after the streams have ended. */
const settleMs = 300

/** Lets streams of about a second run one after the other in the tap tier, and reads the trace of each. */
export async function countWakeUps(streams: number): Promise<readonly WakeUps[]> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-trace-'))
  const trace = join(folder, 'trace.jsonl')
  const mock = await startMock()
  try {
    const { rig, key } = await startGateway(mock.url, { asyncTrace: trace })
    try {
      for (let stream = 0; stream < streams; stream++) await readOne(rig.url, key)
      await wait(settleMs)
      return wakeUpsOf(readFileSync(trace, 'utf8')).slice(-streams)
    } finally {
      await rig.close()
    }
  } finally {
    await mock.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function readOne(url: string, key: string): Promise<void> {
  const res = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'mock/n=250,itl=4,size=32',
      messages: [],
      stream: true,
      stream_options: { include_usage: true },
    }),
  })
  await res.text()
}

/**
 * Of each request that called an upstream, what followed the turn in which its answer arrived.
 * @param text of workerd's structural trace, one JSON object a line
 */
export function wakeUpsOf(text: string): readonly WakeUps[] {
  const contexts = new Map<number, TraceLine[]>()
  for (const line of text.split('\n')) {
    if (line === '') continue
    const parsed = JSON.parse(line) as TraceLine
    contexts.set(parsed.ctx, [...(contexts.get(parsed.ctx) ?? []), parsed])
  }
  return [...contexts.values()].flatMap((lines) => {
    const call = lines.find(({ e, kind, name }) => e === 'init' && kind === 'operation' && name === 'fetch')
    const answered = lines.findIndex(({ e, cause }) => e === 'turn' && cause === call?.id)
    return call === undefined || answered < 0 ? [] : [wakeUpsIn(lines.slice(answered + 1))]
  })
}

function wakeUpsIn(lines: readonly TraceLine[]): WakeUps {
  const turns = lines.filter(({ e }) => e === 'turn')
  let wakeUps = 0
  let busyNs = 0
  let lastEnd = -Infinity
  for (const { start = 0, locked = 0, end = 0 } of turns) {
    if (start - lastEnd > sameWakeUpNs) wakeUps += 1
    busyNs += end - locked
    lastEnd = end
  }
  return { wakeUps, turns: turns.length, busyMs: busyNs / 1e6 }
}
