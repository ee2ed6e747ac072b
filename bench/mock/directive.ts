/** How one answer behaves. Written as `key=value,…` in the model name, `x-mock` or `?mock=`; see README.md. */
export interface Directive {
  readonly ttftMs: number
  readonly itlMs: number
  readonly tokens: number
  readonly latMs: number
  readonly sizeBytes: number
  readonly errShare: number
  readonly errStatus: number
  readonly retryAfterS: number | null
  readonly stallAfter: number
  readonly cutAfter: number
  readonly hold: boolean
  readonly tool: boolean
  readonly seed: number
}

/** Why a directive could not be read; the message goes to the client. */
export interface Fault {
  readonly fault: string
}

export const DEFAULT_DIRECTIVE: Directive = {
  ttftMs: 0,
  itlMs: 0,
  tokens: 16,
  latMs: 0,
  sizeBytes: 4,
  errShare: 0,
  errStatus: 500,
  retryAfterS: null,
  stallAfter: Infinity,
  cutAfter: Infinity,
  hold: false,
  tool: false,
  seed: 1,
}

const MODEL_PREFIX = 'mock/'

const TEXT_BYTES_MAX = 64 * 1024 * 1024
const TOKENS_MAX = 1_000_000

type Reader = (text: string) => Partial<Directive> | undefined

const READERS: Readonly<Record<string, Reader>> = {
  ttft: (text) => given(decimal(text), (ttftMs) => ({ ttftMs })),
  itl: (text) => given(decimal(text), (itlMs) => ({ itlMs })),
  lat: (text) => given(decimal(text), (latMs) => ({ latMs })),
  n: (text) => given(whole(text, 1, TOKENS_MAX), (tokens) => ({ tokens })),
  size: (text) => given(byteCount(text), (sizeBytes) => ({ sizeBytes })),
  err: errorShare,
  retry: (text) => given(decimal(text), (retryAfterS) => ({ retryAfterS })),
  stall: (text) => given(whole(text, 0), (stallAfter) => ({ stallAfter })),
  cut: (text) => given(whole(text, 0), (cutAfter) => ({ cutAfter })),
  hold: (text) => given(flag(text), (hold) => ({ hold })),
  tool: (text) => given(flag(text), (tool) => ({ tool })),
  seed: (text) => given(whole(text, 0, 0xffffffff), (seed) => ({ seed })),
}

/** Reads the directive in a model name; a name without the `mock/` prefix means the defaults. */
export function directiveOfModel(model: string): Directive | Fault {
  if (!model.startsWith(MODEL_PREFIX)) return DEFAULT_DIRECTIVE
  return parseDirective(model.slice(MODEL_PREFIX.length))
}

/** Reads `key=value,key=value`; an unknown key or a value that does not fit is a fault, never ignored. */
export function parseDirective(text: string): Directive | Fault {
  const directive = { ...DEFAULT_DIRECTIVE }
  for (const part of text.split(',')) {
    if (part === '') continue
    const equals = part.indexOf('=')
    const patch = readKey(equals < 0 ? part : part.slice(0, equals), equals < 0 ? '' : part.slice(equals + 1))
    if (isFault(patch)) return patch
    Object.assign(directive, patch)
  }
  if (directive.tokens * directive.sizeBytes > TEXT_BYTES_MAX) {
    return { fault: `mock: n times size must stay within ${TEXT_BYTES_MAX} bytes` }
  }
  return directive
}

/** Reads one key of a directive, as the model name and `/__set` share them. */
export function readKey(key: string, value: string): Partial<Directive> | Fault {
  const reader = Object.hasOwn(READERS, key) ? READERS[key] : undefined
  if (reader === undefined) {
    return { fault: `mock: unknown key '${key}'; known keys are ${Object.keys(READERS).join(', ')}` }
  }
  return reader(value) ?? { fault: `mock: '${value}' is not a value for '${key}'` }
}

/** Tells a fault from what was asked for. */
export function isFault(value: object): value is Fault {
  return 'fault' in value
}

/** Status 0 stands for no answer at all: the connection dies before the first byte. */
export function isErrorStatus(status: number): boolean {
  return status === 0 || (Number.isInteger(status) && status >= 300 && status <= 599)
}

function given<T>(
  value: T | undefined,
  patch: (value: T) => Partial<Directive>,
): Partial<Directive> | undefined {
  return value === undefined ? undefined : patch(value)
}

function decimal(text: string): number | undefined {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined
}

function whole(text: string, min: number, max = Number.MAX_SAFE_INTEGER): number | undefined {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  return value >= min && value <= max ? value : undefined
}

function byteCount(text: string): number | undefined {
  const thousands = text.endsWith('k')
  const value = whole(thousands ? text.slice(0, -1) : text, 0, TEXT_BYTES_MAX)
  return value === undefined ? undefined : value * (thousands ? 1024 : 1)
}

function flag(text: string): boolean | undefined {
  if (text === '1') return true
  return text === '0' ? false : undefined
}

function errorShare(text: string): Partial<Directive> | undefined {
  const [share, status, more] = text.split(':')
  const errShare = decimal(share ?? '')
  const errStatus = whole(status ?? '', 0)
  if (errShare === undefined || errStatus === undefined || more !== undefined) return undefined
  return errShare <= 1 && isErrorStatus(errStatus) ? { errShare, errStatus } : undefined
}
