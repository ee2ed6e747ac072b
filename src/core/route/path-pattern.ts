import { describeName } from '../config/describe-value.ts'
import { canonicalPath } from './canonical-path.ts'

/** `/v1/models/{id}` or `/v1/*`, taken apart: segments in order, and whether a final `*` takes the rest. */
export interface PathPattern {
  readonly segments: readonly PatternSegment[]
  readonly rest: boolean
}

type PatternSegment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'parameter'; readonly name: string }

const patternLengthMax = 1_024
const segmentsMax = 32
const parameterForm = /^\{([a-z][A-Za-z0-9_]{0,31})\}$/

/**
 * Takes a pattern apart that `patternProblem` found nothing wrong with. A slash at its end is a segment with no
 * text: `/a/` and `/a` are different paths.
 */
export function splitPattern(pattern: string): PathPattern {
  const parts = pattern.slice(1).split('/')
  const rest = parts.at(-1) === '*'
  const named = rest ? parts.slice(0, -1) : parts
  return { segments: named.map((part) => segmentOf(part)), rest }
}

/** Names of a pattern's parameters, in order. */
export function parameterNames(pattern: PathPattern): readonly string[] {
  return pattern.segments.flatMap((segment) => (segment.kind === 'parameter' ? [segment.name] : []))
}

/** The pattern without the names of its parameters: patterns of one shape match the same paths. */
export function patternShape(pattern: string): string {
  return pattern.replaceAll(/\{\w+\}/g, '{}')
}

/** What is wrong with a path pattern, in words that follow the pattern; null when it is valid. */
export function patternProblem(pattern: string): string | null {
  if (pattern.length > patternLengthMax) return `more than ${patternLengthMax} characters`
  if (!pattern.startsWith('/')) return 'no slash at its beginning'
  const { segments, rest } = splitPattern(pattern)
  if (segments.length > segmentsMax) return `more than ${segmentsMax} segments`
  const problem = segments.map((segment) => segmentProblem(segment)).find((found) => found !== null)
  if (problem !== undefined) return problem
  const canonical = canonicalPath(withoutNames(segments) + (rest ? '/x' : ''))
  if ('problem' in canonical) return `a path that no request can have: ${canonical.problem}`
  const names = parameterNames({ segments, rest })
  return new Set(names).size === names.length ? null : 'a parameter name that stands there twice'
}

function segmentOf(part: string): PatternSegment {
  const name = parameterForm.exec(part)?.[1]
  return name === undefined ? { kind: 'literal', text: part } : { kind: 'parameter', name }
}

function segmentProblem(segment: PatternSegment): string | null {
  if (segment.kind === 'parameter' || segment.text === '') return null
  if (segment.text.includes('*')) return '`*` elsewhere than as the whole last segment'
  if (/[{}]/.test(segment.text)) return 'a brace that does not enclose a parameter name as a whole segment'
  const canonical = canonicalPath(`/${segment.text}`)
  if ('problem' in canonical) return `a path that no request can have: ${canonical.problem}`
  if (canonical.encodedSlash) return 'an encoded slash; use a parameter for that segment'
  return canonical.path === `/${segment.text}`
    ? null
    : `another spelling than the canonical \`${describeName(canonical.path)}\``
}

function withoutNames(segments: readonly PatternSegment[]): string {
  return segments.map((segment) => `/${segment.kind === 'literal' ? segment.text : 'x'}`).join('')
}
