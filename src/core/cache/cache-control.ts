import { splitList } from './split-list.ts'

/** Directives by name; `null` where there was no argument or it could not be read. */
export type Directives = ReadonlyMap<string, string | null>

const nameToken = /^[!#$%&'*+.^_`|~\w-]+/
const quotedArgument = /^="((?:[^"\\]|\\.)*)"$/
const tokenArgument = /^=([^\s",;]+)$/

/** Largest delta-seconds kept (RFC 9111 §1.2.2); larger ones become it. */
const secondsMax = 2_147_483_648

/**
 * Reads a Cache-Control field (RFC 9111 §5.2). Names in any case, arguments as token or quoted string. A member that
 * breaks the grammar keeps its name and loses its argument, so a restriction holds however it is written. Of a
 * directive that is repeated with different arguments, the argument counts as unreadable, unless all are numbers:
 * then the smallest holds.
 */
export function parseCacheControl(value: string | null): Directives {
  const directives = new Map<string, string | null>()
  if (value === null) return directives
  for (const member of splitList(value)) {
    const directive = nameToken.exec(member)?.[0]
    if (directive === undefined) continue
    add(directives, directive.toLowerCase(), argumentIn(member.slice(directive.length)))
  }
  return directives
}

function argumentIn(rest: string): string | null {
  const quoted = quotedArgument.exec(rest)?.[1]
  return quoted?.replaceAll(/\\(.)/g, '$1') ?? tokenArgument.exec(rest)?.[1] ?? null
}

function add(directives: Map<string, string | null>, directive: string, given: string | null): void {
  const before = directives.get(directive)
  if (before === undefined) directives.set(directive, given)
  else if (before !== given) directives.set(directive, smallerOf(before, given))
}

function smallerOf(first: string | null, second: string | null): string | null {
  if (first === null || second === null || !/^\d+$/.test(first) || !/^\d+$/.test(second)) return null
  return Number(first) <= Number(second) ? first : second
}

/**
 * A directive's delta-seconds in milliseconds.
 * @returns undefined when the directive is not there; 0 when what is there is no number: then the response is stale
 */
export function deltaMs(directives: Directives, directive: string): number | undefined {
  const given = directives.get(directive)
  if (given === undefined) return undefined
  if (given === null || !/^\d+$/.test(given)) return 0
  return Math.min(Number(given), secondsMax) * 1000
}

/** The field names that a qualified `no-cache` or `private` lists, in lower case; empty without an argument. */
export function listedFields(directives: Directives, directive: string): readonly string[] {
  return (directives.get(directive) ?? '')
    .split(',')
    .map((field) => field.trim().toLowerCase())
    .filter((field) => field !== '')
}
