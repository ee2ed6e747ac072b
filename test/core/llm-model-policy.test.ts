import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ModelPolicy, ModelRules } from '../../src/core/config/types.ts'
import { chooseModel, isAllowed, saysAnything } from '../../src/core/llm/model-policy.ts'
import { isRefusal } from '../../src/core/outcome.ts'

const silent: ModelPolicy = { aliases: {}, override: null, allow: null, deny: [] }
const aliases = { fast: 'small', clever: 'org/large', toString: 'small' }

function routeThat(says: Partial<ModelPolicy>): ModelPolicy {
  return { ...silent, ...says }
}

function rules(says: Partial<ModelRules>): ModelRules {
  return { allow: null, deny: [], ...says }
}

describe('the model the upstream gets', () => {
  it.each<[string, string | null, Partial<ModelPolicy>, string | null]>([
    ['as it was asked for where nothing is said', 'any', {}, 'any'],
    ['none where none is asked for', null, {}, null],
    ['what an alias stands for', 'fast', { aliases }, 'small'],
    ['a name that is no alias', 'small', { aliases }, 'small'],
    ['an alias named like a property of every object', 'toString', { aliases }, 'small'],
    ['no property of every object', 'constructor', { aliases }, 'constructor'],
    ['the override, whatever is asked for', 'large', { override: 'small' }, 'small'],
    ['the override, also for an alias', 'clever', { aliases, override: 'small' }, 'small'],
    ['the override, where none is asked for', null, { override: 'small' }, 'small'],
    [
      'what one alias stands for, not what another one makes of that',
      'a',
      { aliases: { a: 'b', b: 'c' } },
      'b',
    ],
    ['what an alias with the name of a model stands for', 'x', { aliases: { x: 'y' }, allow: ['y'] }, 'y'],
  ])('is %s', (_, asked, route, model) => {
    expect(chooseModel(asked, { route: routeThat(route), key: null })).toBe(model)
  })
})

describe('rules', () => {
  it.each<[string, string, Partial<ModelPolicy>, Partial<ModelRules> | null, boolean]>([
    ['a name on the list', 'small', { allow: ['small'] }, null, true],
    ['a name that is not on it', 'large', { allow: ['small'] }, null, false],
    ['a name that only begins like one on it', 'small-2', { allow: ['small'] }, null, false],
    ['a name in another case', 'Small', { allow: ['small'] }, null, false],
    ['a name with a beginning on the list', 'org/x', { allow: ['org/*'] }, null, true],
    ['the beginning itself', 'org/', { allow: ['org/*'] }, null, true],
    ['less than the beginning', 'org', { allow: ['org/*'] }, null, false],
    ['anything where all names are on the list', 'x', { allow: ['*'] }, null, true],
    ['nothing where the list is empty', 'x', { allow: [] }, null, false],
    ['a name that is denied', 'large', { deny: ['large'] }, null, false],
    ['a name whose beginning is denied', 'org/x', { deny: ['org/*'] }, null, false],
    ['any other than the denied', 'small', { deny: ['large'] }, null, true],
    ['a name both allowed and denied', 'org/x', { allow: ['org/*'], deny: ['org/x'] }, null, false],
    [
      'a name both denied by beginning and allowed',
      'org/x',
      { allow: ['org/x'], deny: ['org/*'] },
      null,
      false,
    ],
    ['what the route allows and the key too', 'a', { allow: ['a', 'b'] }, { allow: ['a', 'c'] }, true],
    ['what only the route allows', 'b', { allow: ['a', 'b'] }, { allow: ['a', 'c'] }, false],
    ['what only the key allows', 'c', { allow: ['a', 'b'] }, { allow: ['a', 'c'] }, false],
    ['what the key denies', 'a', {}, { deny: ['a'] }, false],
    ['what the key has no rule on', 'b', { deny: ['a'] }, {}, true],
    [
      'an alias of an allowed model, named by neither list',
      'fast',
      { aliases, allow: ['small'] },
      null,
      true,
    ],
    [
      'an alias of a model that is not allowed',
      'clever',
      { aliases, allow: ['small', 'clever'] },
      null,
      false,
    ],
    ['an alias that is denied, of a model that is not', 'fast', { aliases, deny: ['fast'] }, null, true],
    ['an alias of a denied model', 'clever', { aliases, deny: ['org/*'] }, null, false],
    ['an override, by its own name', 'large', { override: 'small', allow: ['small'] }, null, true],
    ['an override that the key may not use', 'small', { override: 'large' }, { allow: ['small'] }, false],
  ])('judge %s', (_, asked, route, key, passes) => {
    const choice = { route: routeThat(route), key: key === null ? null : rules(key) }
    const outcome = chooseModel(asked, choice)
    if (passes) expect(isRefusal(outcome)).toBe(false)
    else expect(outcome).toEqual({ refused: 'model_not_allowed', model: asked })
  })

  it('name in their refusal the model that would have been sent where the client named none', () => {
    const route = routeThat({ override: 'large', deny: ['large'] })
    expect(chooseModel(null, { route, key: null })).toEqual({ refused: 'model_not_allowed', model: 'large' })
  })

  it('of neither route nor key are evaded: a model that is sent is one that both allow', () => {
    const name = fc.constantFrom('a', 'b', 'ab', 'abc', 'org/a')
    const rule = fc.oneof(
      name,
      name.map((text) => `${text}*`),
      fc.constant('*'),
    )
    const list = fc.array(rule, { maxLength: 3 })
    const some = fc.record({ allow: fc.option(list, { nil: null }), deny: list })
    const policy = fc.record({ aliases: fc.dictionary(name, name), override: fc.option(name, { nil: null }) })
    fc.assert(
      fc.property(
        fc.option(name, { nil: null }),
        policy,
        some,
        fc.option(some, { nil: null }),
        (asked, names, own, key) => {
          const choice = { route: { ...names, ...own }, key }
          const model = chooseModel(asked, choice)
          if (typeof model !== 'string') return
          expect(isAllowed(model, choice)).toBe(true)
          for (const { allow, deny } of [own, ...(key === null ? [] : [key])]) {
            const covers = (each: string): boolean =>
              each.endsWith('*') ? model.startsWith(each.slice(0, -1)) : each === model
            expect(deny.filter(covers)).toEqual([])
            if (allow !== null) expect(allow.filter(covers)).not.toEqual([])
          }
        },
      ),
      { numRuns: 2_000 },
    )
  })
})

describe('whether anything is said about models', () => {
  it.each<[string, Partial<ModelPolicy>, ModelRules | null, boolean]>([
    ['nothing', {}, null, false],
    ['a key without rules', {}, rules({}), false],
    ['an alias', { aliases: { a: 'b' } }, null, true],
    ['an override', { override: 'a' }, null, true],
    ['an allow list of the route', { allow: [] }, null, true],
    ['a deny list of the route', { deny: ['a'] }, null, true],
    ['an allow list of the key', {}, rules({ allow: ['a'] }), true],
    ['a deny list of the key', {}, rules({ deny: ['a'] }), true],
  ])('by %s', (_, route, key, said) => {
    expect(saysAnything({ route: routeThat(route), key })).toBe(said)
  })
})
