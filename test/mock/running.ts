import { afterAll, beforeAll, beforeEach } from 'vitest'
import { startMock } from '../../bench/mock/server.ts'
import type { RunningMock } from '../../bench/mock/server.ts'

/** One mock per test file, with fresh counters for each test. */
export function runningMock(): { readonly current: RunningMock } {
  const holder: { current: RunningMock } = { current: undefined as unknown as RunningMock }
  beforeAll(async () => {
    holder.current = await startMock({ port: 0 })
  })
  beforeEach(() => holder.current.reset())
  afterAll(() => holder.current.close())
  return holder
}

/** Polls until it holds; gives up loudly after a second. */
export async function soon(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 1000
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`not within a second: ${String(holds)}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** The `data:` payloads of a stream's text. */
export function dataOf(sse: string): string[] {
  return sse
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => line.slice('data: '.length))
}

/** The `event:` names of a stream's text. */
export function eventNames(sse: string): string[] {
  return sse
    .split('\n')
    .filter((line) => line.startsWith('event: '))
    .map((line) => line.slice('event: '.length))
}
