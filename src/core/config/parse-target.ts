import { defaultSecretPlace, defaultTimeouts } from './defaults.ts'
import { headerName, isHeaderText } from './parse-headers.ts'
import { targetAddress } from './parse-origin.ts'
import { note, optional, optionalOrNull, type Place, readFields } from './place.ts'
import { modelMap } from './parse-models.ts'
import { flag, integerBetween, numberBetween, oneOf, share, textThat } from './readers.ts'
import type { DialectName, SecretReference, Target, Timeouts } from './types.ts'

/** What a target has from its upstream. */
export interface UpstreamDefaults {
  readonly dialect: DialectName
  /** The upstream's `timeouts`; those of the target go before them. */
  readonly timeouts: Place
}

const targetFields = [
  'origin',
  'secret',
  'dialect',
  'timeouts',
  'includeUsage',
  'weight',
  'canaryShare',
  'models',
  'checkPath',
]
const timeoutFields = ['firstByteMs', 'firstContentMs', 'idleMs', 'totalMs']
const weightMax = 1_000
const dayMs = 86_400_000

/** A time of at least a millisecond and at most a day. */
export const milliseconds = integerBetween(1, dayMs)

/** A dialect by its name. */
export const dialectName = oneOf('openai', 'anthropic', 'http')

/** The gateway's own secrets never go to an upstream. */
const bindingName = textThat(
  "the name of a secret of the Worker (letters, digits and `_`), none of the gateway's own SLUICE_* ones",
  (text) => /^[A-Za-z_]\w{0,63}$/.test(text) && !/^SLUICE_/i.test(text),
)

const prefixText = textThat(
  'at most 64 characters of visible ASCII',
  (text) => text.length <= 64 && isHeaderText(text),
)

const checkPath = textThat(
  'a path of at most 256 visible ASCII characters that begins with `/`, without `..`, `?` and `#`',
  (text) => /^\/[!-~]{0,255}$/.test(text) && !/[?#\\]|\.\./.test(text),
)

/** A member of an upstream; null when its address is no good. */
export function parseTarget(place: Place, id: string, defaults: UpstreamDefaults): Target | null {
  const field = readFields(place, targetFields)
  if (field === undefined) return null
  const dialect = optional(field('dialect'), dialectName, defaults.dialect)
  const secret = parseSecret(field('secret'), dialect)
  const timeouts = parseTimeouts(
    field('timeouts'),
    parseTimeouts(defaults.timeouts, defaultTimeouts[dialect]),
  )
  const address = targetAddress(field('origin'))
  if (timeouts.firstByteMs > timeouts.totalMs) {
    note(place, 'a firstByteMs not longer than totalMs', `${timeouts.firstByteMs} and ${timeouts.totalMs}`)
  }
  const rest = {
    includeUsage: optional(field('includeUsage'), flag, dialect === 'openai'),
    weight: optional(field('weight'), numberBetween(0, weightMax), 1),
    canaryShare: optionalOrNull(field('canaryShare'), share),
    models: optional(field('models'), modelMap, {}),
    checkPath: optionalOrNull(field('checkPath'), checkPath),
  }
  return address === undefined ? null : { id, ...address, dialect, secret, timeouts, ...rest }
}

function parseTimeouts(place: Place, fallback: Timeouts): Timeouts {
  const field = place.value === undefined ? undefined : readFields(place, timeoutFields)
  if (field === undefined) return fallback
  return {
    firstByteMs: optional(field('firstByteMs'), milliseconds, fallback.firstByteMs),
    firstContentMs:
      field('firstContentMs').value === undefined
        ? fallback.firstContentMs
        : optionalOrNull(field('firstContentMs'), milliseconds),
    idleMs: optional(field('idleMs'), milliseconds, fallback.idleMs),
    totalMs: optional(field('totalMs'), milliseconds, fallback.totalMs),
  }
}

function parseSecret(place: Place, dialect: DialectName): SecretReference | null {
  if (place.value === undefined || place.value === null) return null
  if (typeof place.value === 'string') {
    note(place, 'an object that names a secret of the Worker, `{"secret": "NAME"}`')
    return null
  }
  const field = readFields(place, ['secret', 'header', 'prefix'])
  const secret = field === undefined ? undefined : bindingName(field('secret'))
  if (field === undefined) return null
  const standard = defaultSecretPlace[dialect]
  const header = optional(field('header'), headerName, standard.header)
  const prefix = optional(field('prefix'), prefixText, header === standard.header ? standard.prefix : '')
  return secret === undefined ? null : { secret, header, prefix }
}
