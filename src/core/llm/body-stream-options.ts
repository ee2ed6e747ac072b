import { isRefusal } from '../outcome.ts'
import { type ObjectScan, scanObject } from './object-scan.ts'
import { applySplices, memberText } from './splice.ts'
import { WatchedKeys } from './watched-keys.ts'

const usageKeys = new WatchedKeys(['include_usage'])
const encoder = new TextEncoder()
const decoder = new TextDecoder()
const yes = encoder.encode('true')
const usageOnly = encoder.encode('{"include_usage":true}')

/** What is known of a body when its `stream_options` have been read. */
export interface OptionsPlace {
  /** The value of `stream` where it stands before the options; `null`: it does not. */
  readonly streamBefore: boolean | null
  /** Whether the client asks for usage itself. */
  readonly includeUsage: boolean
  /** Whether the options are the last member of the body. */
  readonly last: boolean
}

/**
 * What becomes of the `stream_options` of a body in which usage is to be asked for. Options that stand before `stream`
 * move behind the last member, because only there it is known whether usage can be asked for: a body that does not
 * stream must not ask.
 */
export function optionsFate({ streamBefore, includeUsage, last }: OptionsPlace): 'keep' | 'ask' | 'move' {
  if (includeUsage) return 'keep'
  if (streamBefore !== null) return streamBefore ? 'ask' : 'keep'
  return last ? 'keep' : 'move'
}

/**
 * Reads `include_usage` of the options.
 * @param options a valid JSON object
 * @returns `null` when it is there twice, under a key in another case, or neither true, false nor `null`
 */
export function includesUsage(options: Uint8Array): boolean | null {
  const scan = scanObject(options, usageKeys)
  if (isRefusal(scan)) return null
  const text = usageText(options, scan)
  if (text === 'true') return true
  return text === null || text === 'false' || text === 'null' ? false : null
}

function usageText(options: Uint8Array, { members }: ObjectScan): string | null {
  const member = members.get('include_usage')
  return member === undefined ? null : decoder.decode(options.subarray(member.valueStart, member.valueEnd))
}

/** The options with `include_usage` true and all else as it was. @param options an object, `null`, or `null` as text */
export function withUsage(options: Uint8Array | null): Uint8Array {
  const scan = options === null ? null : scanObject(options, usageKeys)
  if (options === null || scan === null || isRefusal(scan)) return usageOnly
  const member = scan.members.get('include_usage')
  if (member !== undefined) {
    return applySplices(options, [{ start: member.valueStart, end: member.valueEnd, bytes: yes }])
  }
  const bytes = memberText('include_usage', yes, scan.empty)
  return applySplices(options, [{ start: scan.close, end: scan.close, bytes }])
}
