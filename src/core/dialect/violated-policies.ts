import type { RefusalFacts } from '../refusal.ts'

/**
 * The member of an error that names the limits which had too little (draft-ietf-httpapi-ratelimit-headers-11, §5); no
 * member for any other error.
 */
export function violatedPolicies({ violated }: RefusalFacts): {
  readonly 'violated-policies'?: readonly string[]
} {
  return violated.length === 0 ? {} : { 'violated-policies': violated }
}
