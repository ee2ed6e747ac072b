import { expect, it } from 'vitest'
import { parseConfig } from '../../src/core/config/parse.ts'
import { asTarget } from './route-samples.ts'
import { buildRouteIndex, matchRoute } from '../../src/core/route/route-index.ts'
import readme from '../../README.md?raw'

it('the configuration that the README shows is a good document with the routes it seems to have', () => {
  const example = /```json\n(.*?)```/s.exec(readme)?.[1] ?? ''
  const parsed = parseConfig(JSON.parse(example))
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems))
  const index = buildRouteIndex(parsed.routes)
  expect(parsed.routes.map(({ id }) => id)).toEqual(['chat', 'openai-rest', 'orders'])
  expect(matchRoute(index, asTarget('/v1/chat/completions'), 'POST')).toMatchObject({ route: { id: 'chat' } })
  expect(matchRoute(index, asTarget('/v1/models'), 'GET')).toMatchObject({ route: { id: 'openai-rest' } })
})
