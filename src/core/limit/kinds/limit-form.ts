import type { LimitSpec } from '../spec.ts'
import type { LimitKind } from './kind.ts'
import { limitKind } from './kinds.ts'

/** A limit as configuration and admin API write it; fields that its kind does not have are left out. */
export interface LimitForm extends Pick<LimitSpec, 'kind' | 'name' | 'onFailure'> {
  readonly max?: number
  /** US dollars, with at most six decimals. */
  readonly maxUsd?: number
  readonly periodSeconds?: number
  readonly burst?: number
  readonly calendar?: 'day' | 'month'
  readonly durability?: LimitSpec['durability']
  readonly reserve?: LimitSpec['reserve']
}

/** The fields that a kind has, in the order of the documentation; with null all that there are. */
export function limitFieldNames(kind: LimitKind | null): readonly string[] {
  const fields = kind?.fields
  const has: readonly (readonly [name: string, there: boolean])[] = [
    ['kind', true],
    ['name', true],
    ['max', fields?.max.field !== 'maxUsd'],
    ['maxUsd', fields?.max.field !== 'max'],
    ['periodSeconds', fields?.periodSeconds !== null],
    ['burst', fields?.burst !== null],
    ['calendar', fields?.calendar !== false],
    ['durability', fields?.durability !== false],
    ['onFailure', true],
    ['reserve', fields?.reserve !== false],
  ]
  return has.filter(([, there]) => there).map(([name]) => name)
}

/** How a limit is written, its defaults included: read again it is the same limit. */
export function limitForm(spec: LimitSpec): LimitForm {
  const { fields } = limitKind(spec.kind)
  return {
    kind: spec.kind,
    name: spec.name,
    ...(fields.max.field === 'max' ? { max: spec.max } : { maxUsd: spec.max / 1_000_000 }),
    ...(spec.periodMs === null ? {} : { periodSeconds: spec.periodMs / 1000 }),
    ...(spec.burst === null ? {} : { burst: spec.burst }),
    ...(spec.calendar === null ? {} : { calendar: spec.calendar }),
    ...(fields.durability ? { durability: spec.durability } : {}),
    onFailure: spec.onFailure,
    ...(fields.reserve ? { reserve: spec.reserve } : {}),
  }
}
