/**
 * Runs inside workerd, in front of the built bundle: subclasses its Durable Objects so that every RPC method first does
 * what the mode says. `faultyShim` (faulty.ts) writes the module that puts the two together. All of it lives in one
 * isolate with the objects, so in mode `ok` a call costs no I/O.
 */

/**
 * How the Durable Objects behave. `stale`: a call gets the last answer to the same call from before the mode was set.
 * `overloaded`, `retryable`: it fails as the runtime says so. `abort`: the next call ends its object, and the mode.
 */
export type DurableMode =
  | {
      readonly kind: 'ok' | 'throw' | 'hang' | 'stale' | 'overloaded' | 'retryable' | 'abort'
      readonly className?: string
      readonly method?: string
    }
  | { readonly kind: 'slow'; readonly ms: number; readonly className?: string; readonly method?: string }

export interface DurableStats {
  /** Objects constructed, by class. */
  readonly made: Readonly<Record<string, number>>
  /** Calls begun, by `Class.method`. */
  readonly calls: Readonly<Record<string, number>>
}

type Method = (this: object, ...args: unknown[]) => unknown
type DurableClass = new (ctx: unknown, env: unknown) => object

/** Longer than any client waits. */
const hangMs = 600_000
/** Not for calls between Workers: the runtime's own events. */
const eventHandlers = new Set([
  'constructor',
  'fetch',
  'alarm',
  'webSocketMessage',
  'webSocketClose',
  'webSocketError',
])

let mode: DurableMode = { kind: 'ok' }
let made: Record<string, number> = {}
let calls: Record<string, number> = {}
/** Answers as JSON text by class, object, method and arguments. */
const answers = new Map<string, string>()

/** The class with its RPC methods under the mode; `base` is the name of the class they end at. */
export function underMode(className: string, Base: DurableClass, end: object): DurableClass {
  class Watched extends Base {
    constructor(ctx: unknown, env: unknown) {
      super(ctx, env)
      made[className] = (made[className] ?? 0) + 1
    }
  }
  for (let level = Base.prototype as object; level !== end; level = Object.getPrototypeOf(level) as object) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      if (typeof value !== 'function' || eventHandlers.has(name) || Object.hasOwn(Watched.prototype, name))
        continue
      Object.defineProperty(Watched.prototype, name, { value: watched(className, name, value as Method) })
    }
  }
  return Watched
}

function watched(className: string, method: string, original: Method): Method {
  const name = `${className}.${method}`
  return function call(...args) {
    calls[name] = (calls[name] ?? 0) + 1
    const key = JSON.stringify([name, identity(this), args])
    if (mode.kind === 'ok' || !concerns(className, method)) return remembered(key, original.apply(this, args))
    if (mode.kind === 'abort') crash(this)
    return disturbed(mode, key, () => original.apply(this, args))
  }
}

/** Its memory is gone, as after a crash; what it has stored is not. Throws at whoever called. */
function crash(instance: object): never {
  mode = { kind: 'ok' }
  const { ctx } = instance as { readonly ctx: { abort(reason: string): void } }
  ctx.abort('The Durable Object was told to end.')
  throw new Error('The Durable Object was told to end.')
}

function concerns(className: string, method: string): boolean {
  return (mode.className ?? className) === className && (mode.method ?? method) === method
}

function identity(instance: object): string {
  return String((instance as { readonly ctx: { readonly id: unknown } }).ctx.id)
}

async function disturbed(fault: DurableMode, key: string, proceed: () => unknown): Promise<unknown> {
  if (fault.kind === 'throw') throw new Error('The Durable Object was told to fail.')
  if (fault.kind === 'overloaded')
    throw Object.assign(new Error('Overloaded, it was told.'), { overloaded: true })
  if (fault.kind === 'retryable') throw Object.assign(new Error('Broken, it was told.'), { retryable: true })
  if (fault.kind === 'hang') await passed(hangMs)
  if (fault.kind === 'slow') await passed(fault.ms)
  const answer = fault.kind === 'stale' ? answers.get(key) : undefined
  return answer === undefined ? proceed() : (JSON.parse(answer) as unknown)
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

function remembered(key: string, result: unknown): unknown {
  if (!(result instanceof Promise)) {
    remember(key, result)
    return result
  }
  return result.then((value: unknown) => {
    remember(key, value)
    return value
  })
}

function remember(key: string, value: unknown): void {
  const text = JSON.stringify(value) as string | undefined
  if (text !== undefined) answers.set(key, text)
}

/** The entrypoint that a socket of its own reaches: `GET /stats`, `POST /reset`, `POST /mode`. */
export const durableControl = {
  async fetch(req: Request): Promise<Response> {
    const { pathname } = new URL(req.url)
    switch (`${req.method} ${pathname}`) {
      case 'GET /stats':
        return Response.json({ made, calls } satisfies DurableStats)
      case 'POST /reset':
        made = {}
        calls = {}
        return Response.json({})
      case 'POST /mode':
        mode = (await req.json()) as DurableMode
        return Response.json(mode)
      default:
        return new Response('The Durable Objects know no such command.', { status: 404 })
    }
  },
}
