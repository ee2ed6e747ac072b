/**
 * A module for `workerd bench`: whether it pays to keep objects and buffers for the next request instead of making new
 * ones. `context`: the facts of 100 requests at once, eight fields each. `buffer`: a hundred times 4 and 64 KB; `cleared` overwrites what the last user
 * left, without which one account could read another's bytes. `byob`: a body of 1 MB, read in pieces of 64 KB.
 */
interface Bench {
  run(name: string, measured: () => unknown): void
  blackBox(value: unknown): void
}

interface Context {
  id: string
  startedMs: number
  account: string | null
  model: string | null
  stream: boolean
  attempts: number
  usage: object | null
  ending: string | null
}

const kilobyte = 1024
const body = new Uint8Array(kilobyte * kilobyte)
const ids = Array.from({ length: 100 }, (_, at) => `id-${at}`)
const contexts: Context[] = []
let turn = 0

function newContext(id: string): Context {
  return {
    id,
    startedMs: turn,
    account: null,
    model: null,
    stream: false,
    attempts: 0,
    usage: null,
    ending: null,
  }
}

function pooledContext(id: string): Context {
  const context = contexts.pop()
  if (context === undefined) return newContext(id)
  context.id = id
  context.startedMs = turn
  context.account = null
  context.model = null
  context.stream = false
  context.attempts = 0
  context.usage = null
  context.ending = null
  return context
}

/** What a request does with its context. */
function use(context: Context): Context {
  context.account = 'account'
  context.model = 'model'
  context.attempts += 1
  context.ending = 'complete'
  return context
}

function often(work: () => void): () => void {
  return () => {
    for (let times = 0; times < 100; times += 1) work()
  }
}

function bufferCases(b: Bench, name: string, bytes: number): void {
  const pool = [new Uint8Array(bytes)]
  const borrow = (): Uint8Array<ArrayBuffer> => pool.pop() ?? new Uint8Array(bytes)
  const touch = (buffer: Uint8Array): void => {
    buffer[0] = 1
    buffer[bytes - 1] = 1
    b.blackBox(buffer)
  }
  b.run(
    `buffer-${name}-new`,
    often(() => touch(new Uint8Array(bytes))),
  )
  b.run(
    `buffer-${name}-pooled`,
    often(() => {
      const buffer = borrow()
      touch(buffer)
      pool.push(buffer)
    }),
  )
  b.run(
    `buffer-${name}-cleared`,
    often(() => {
      const buffer = borrow()
      buffer.fill(0)
      touch(buffer)
      pool.push(buffer)
    }),
  )
}

/** @param next the buffer of the next read, given that of the last */
async function readAll(next: (last: ArrayBuffer) => ArrayBuffer): Promise<number> {
  const reader = new Response(body).body?.getReader({ mode: 'byob' })
  if (reader === undefined) throw new Error('a response has a body')
  let buffer = new ArrayBuffer(64 * kilobyte)
  let bytes = 0
  for (;;) {
    const { done, value } = await reader.read(new Uint8Array(buffer))
    if (done) break
    bytes += value.byteLength
    buffer = next(value.buffer)
  }
  if (bytes !== body.length) throw new Error(`${bytes} bytes were read`)
  return bytes
}

export default {
  bench(b: Bench): void {
    b.run('context-new', () => {
      turn += 1
      b.blackBox(ids.map((id) => use(newContext(id))))
    })
    b.run('context-pooled', () => {
      turn += 1
      const inUse = ids.map((id) => use(pooledContext(id)))
      b.blackBox(inUse)
      for (const context of inUse) contexts.push(context)
    })
    bufferCases(b, '4k', 4 * kilobyte)
    bufferCases(b, '64k', 64 * kilobyte)
    b.run('byob-new', () => readAll(() => new ArrayBuffer(64 * kilobyte)))
    b.run('byob-reused', () => readAll((last) => last))
  },
}
