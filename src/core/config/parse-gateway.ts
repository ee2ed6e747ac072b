import { defaultGateway } from './defaults.ts'
import { optional, type Place, readFields } from './place.ts'
import { flag, integerBetween, oneOf, share, textThat } from './readers.ts'
import type { GatewaySettings } from './types.ts'

/** A pseudonym as `Via` takes one, without what would need quoting. */
const pseudonym = textThat('a name of at most 64 letters, digits, `.`, `_` and `-`', (text) =>
  /^[A-Za-z0-9][\w.-]{0,63}$/.test(text),
)

/** The gateway's own settings; what is left out has its default. */
export function parseGateway(place: Place): GatewaySettings {
  const field = place.value === undefined ? undefined : readFields(place, gatewayFields)
  if (field === undefined) return defaultGateway
  return {
    name: optional(field('name'), pseudonym, defaultGateway.name),
    clientAddress: optional(
      field('clientAddress'),
      oneOf('cloudflare', 'none'),
      defaultGateway.clientAddress,
    ),
    serverTiming: optional(field('serverTiming'), flag, defaultGateway.serverTiming),
    logSample: parseLogSample(field('log')),
    keyGraceMs: parseKeyGrace(field('keyGraceSeconds')),
  }
}

const gatewayFields = ['name', 'clientAddress', 'serverTiming', 'log', 'keyGraceSeconds']
const keyGraceSecondsMax = 3_600

function parseKeyGrace(place: Place): number {
  const fallback = defaultGateway.keyGraceMs / 1000
  return optional(place, integerBetween(0, keyGraceSecondsMax), fallback) * 1000
}

function parseLogSample(place: Place): number {
  const field = place.value === undefined ? undefined : readFields(place, ['sample'])
  return field === undefined
    ? defaultGateway.logSample
    : optional(field('sample'), share, defaultGateway.logSample)
}
