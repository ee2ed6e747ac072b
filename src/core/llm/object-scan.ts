import type { Outcome } from '../outcome.ts'
import { JsonObjectScan } from './json-scan.ts'
import type { Member, ObjectVisitor } from './member-watch.ts'
import type { WatchedKeys } from './watched-keys.ts'

/** Where the watched members of a JSON object are. */
export interface ObjectScan {
  readonly members: ReadonlyMap<string, Member>
  /** Offset of the brace that ends the object. */
  readonly close: number
  readonly empty: boolean
}

/**
 * Scans a whole object at once.
 * @param read told of each watched member, with the bytes of its value
 * @returns refusals of `JsonObjectScan` and of `read`
 */
export function scanObject(
  bytes: Uint8Array,
  watched: WatchedKeys,
  read?: ObjectVisitor['member'],
): Outcome<ObjectScan> {
  const members = new Map<string, Member>()
  let end = { close: 0, empty: true }
  const scan = new JsonObjectScan(watched, {
    member(member, value) {
      members.set(member.key, member)
      return read?.(member, value) ?? null
    },
    close(close, empty) {
      end = { close, empty }
      return null
    },
  })
  return scan.push(bytes) ?? scan.end() ?? { members, ...end }
}
