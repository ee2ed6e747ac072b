import type { StoredResponse } from './entry.ts'

/** What one purge is about. */
export type PurgeSubject =
  | { readonly kind: 'all' }
  /** Path and query as clients see them. */
  | { readonly kind: 'url'; readonly url: string }
  /** A path and all under it: `/a` covers `/a`, `/a?x` and `/a/b`, not `/ab`. */
  | { readonly kind: 'prefix'; readonly prefix: string }
  | { readonly kind: 'tag'; readonly tag: string }

/** When something was last purged, in milliseconds since the epoch; 0 for never. */
interface PurgedAt {
  readonly hardMs: number
  readonly softMs: number
}

/** All purges of one owner that may still matter. JSON. */
export interface PurgeLog {
  /** Grows with every purge; tells whether a copy is the newest. */
  readonly epoch: number
  readonly all: PurgedAt
  readonly urls: Readonly<Record<string, PurgedAt>>
  readonly prefixes: Readonly<Record<string, PurgedAt>>
  readonly tags: Readonly<Record<string, PurgedAt>>
}

const never: PurgedAt = { hardMs: 0, softMs: 0 }

export const noPurges: PurgeLog = { epoch: 0, all: never, urls: {}, prefixes: {}, tags: {} }

/** Clocks of isolates and of the Ledger differ; what was asked for so shortly after a purge counts as before it. */
const clockSkewMs = 2_000

/** More subjects than this are folded into `all`, so that a log stays small enough to ride in a lease. */
const subjectsMax = 500

/** The log after one more purge. `hard`: never serve what it covers; else it must be validated first. */
export function withPurge(log: PurgeLog, subject: PurgeSubject, hard: boolean, atMs: number): PurgeLog {
  const epoch = log.epoch + 1
  if (subject.kind === 'all') return { ...log, epoch, all: later(log.all, hard, atMs) }
  const [list, name] = placeOf(subject)
  const next = {
    ...log,
    epoch,
    [list]: { ...log[list], [name]: later(entryOf(log[list], name), hard, atMs) },
  }
  return compacted(next)
}

function placeOf(
  subject: Exclude<PurgeSubject, { readonly kind: 'all' }>,
): readonly ['urls' | 'prefixes' | 'tags', string] {
  switch (subject.kind) {
    case 'url':
      return ['urls', subject.url]
    case 'prefix':
      return ['prefixes', withoutSlashes(subject.prefix)]
    case 'tag':
      return ['tags', subject.tag]
  }
}

function later(before: PurgedAt, hard: boolean, atMs: number): PurgedAt {
  const { hardMs, softMs } = before
  return hard ? { hardMs: Math.max(hardMs, atMs), softMs } : { hardMs, softMs: Math.max(softMs, atMs) }
}

/** Names come from operators and origins, so only what the list itself has counts. */
function entryOf(list: Readonly<Record<string, PurgedAt>>, name: string): PurgedAt {
  return Object.hasOwn(list, name) ? (list[name] ?? never) : never
}

function compacted(log: PurgeLog): PurgeLog {
  const lists = [log.urls, log.prefixes, log.tags]
  const all = lists.flatMap((list) => Object.values(list))
  if (all.length <= subjectsMax) return log
  const latest = all.reduce(latestOf, log.all)
  return { ...log, all: latest, urls: {}, prefixes: {}, tags: {} }
}

function latestOf(one: PurgedAt, other: PurgedAt): PurgedAt {
  return { hardMs: Math.max(one.hardMs, other.hardMs), softMs: Math.max(one.softMs, other.softMs) }
}

/** The log without purges older than `keptMs`, the longest time that an entry is kept. */
export function withoutOld(log: PurgeLog, keptMs: number, nowMs: number): PurgeLog {
  const young = (list: Readonly<Record<string, PurgedAt>>) =>
    Object.fromEntries(
      Object.entries(list).filter(([, { hardMs, softMs }]) => Math.max(hardMs, softMs) > nowMs - keptMs),
    )
  return { ...log, urls: young(log.urls), prefixes: young(log.prefixes), tags: young(log.tags) }
}

/**
 * What a log says of a stored response. It was asked for before a purge, or so shortly after that clocks may differ:
 * then it is never served, or must be validated.
 */
export function purgeVerdict(
  log: PurgeLog,
  entry: Pick<StoredResponse, 'path' | 'tags' | 'requestedMs'>,
): 'valid' | 'soft' | 'hard' {
  if (log.epoch === 0) return 'valid'
  let at = latestOf(log.all, entryOf(log.urls, entry.path))
  for (const tag of entry.tags) at = latestOf(at, entryOf(log.tags, tag))
  for (const prefix of ancestors(entry.path)) at = latestOf(at, entryOf(log.prefixes, prefix))
  if (at.hardMs > 0 && entry.requestedMs <= at.hardMs + clockSkewMs) return 'hard'
  return at.softMs > 0 && entry.requestedMs <= at.softMs + clockSkewMs ? 'soft' : 'valid'
}

/** A path and what it lies under: `/a/b?x` gives `/a/b`, `/a` and the empty path. */
function ancestors(pathAndQuery: string): readonly string[] {
  const [path = ''] = pathAndQuery.split('?', 1)
  const found = [withoutSlashes(path)]
  for (let at = path.lastIndexOf('/'); at >= 0; at = path.lastIndexOf('/', at - 1)) {
    found.push(path.slice(0, at))
    if (at === 0) break
  }
  return found
}

function withoutSlashes(path: string): string {
  let end = path.length
  while (end > 0 && path[end - 1] === '/') end -= 1
  return path.slice(0, end)
}
