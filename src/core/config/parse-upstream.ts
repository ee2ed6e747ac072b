import { defaultPool } from './defaults.ts'
import { parsePool } from './parse-pool.ts'
import { dialectName, parseTarget } from './parse-target.ts'
import { isEmptyList, note, type Place, readElements, readEntries, readFields } from './place.ts'
import type { DialectName, Target, Upstream } from './types.ts'

/** An upstream and the dialect that routes to it have unless they say otherwise. */
export interface ParsedUpstream {
  readonly upstream: Upstream
  readonly dialect: DialectName
}

const upstreamsMax = 1_000
const targetsMax = 100
const upstreamName = /^[A-Za-z0-9][\w-]{0,63}$/

/** The upstreams by name. Those with problems are among them, so that routes to them are not reported as well. */
export function parseUpstreams(place: Place): ReadonlyMap<string, ParsedUpstream> {
  const upstreams = new Map<string, ParsedUpstream>()
  const entries = readEntries(place)
  if (entries === undefined) return upstreams
  if (entries.size > upstreamsMax) {
    note(place, `at most ${upstreamsMax} upstreams`, String(entries.size))
    return upstreams
  }
  for (const [name, child] of entries) {
    if (!upstreamName.test(name)) {
      note(child, 'a name of at most 64 letters, digits, `_` and `-`', 'another name')
    }
    upstreams.set(name, parseUpstream(child, name))
  }
  return upstreams
}

const upstreamFields = [
  'dialect',
  'targets',
  'timeouts',
  'choose',
  'retries',
  'health',
  'concurrency',
  'hedgeShare',
]

function parseUpstream(place: Place, name: string): ParsedUpstream {
  const field = readFields(place, upstreamFields)
  if (field === undefined) return { upstream: { name, targets: [], ...defaultPool }, dialect: 'http' }
  const dialect = dialectName(field('dialect')) ?? 'http'
  const places = readElements(field('targets'), targetsMax) ?? []
  if (isEmptyList(field('targets'))) note(field('targets'), 'at least one target')
  const defaults = { dialect, timeouts: field('timeouts') }
  const targets: Target[] = []
  for (const [at, each] of places.entries()) {
    const target = parseTarget(each, `${name}/${at}`, defaults)
    if (target !== null) targets.push(target)
  }
  checkTargets(targets, field('targets'))
  const pool = parsePool(field)
  if (pool.health.checkEveryMs !== null && targets.every(({ checkPath }) => checkPath === null)) {
    note(field('targets'), 'a target with checkPath, since health has checkEveryMs', 'none')
  }
  return { upstream: { name, targets, ...pool }, dialect }
}

/** Of canaries alone nobody would know where the rest goes. */
function checkTargets(targets: readonly Target[], place: Place): void {
  const shares = targets.map(({ canaryShare }) => canaryShare ?? 0)
  if (targets.length > 0 && targets.every(({ canaryShare }) => canaryShare !== null)) {
    note(place, 'a target without canaryShare', 'canaries only')
  }
  if (shares.reduce((sum, share) => sum + share, 0) > 1) {
    note(place, 'canaryShares that are at most 1 together', 'more')
  }
}
