import { expect, it } from 'vitest'
import { runDifferential } from '../fuzz/llm-body-differential.ts'

it('judges 8,000 mutated bodies as JSON.parse and the documented refusals do, and rewrites them alike in any pieces', () => {
  const { taken, refused, disagreements } = runDifferential(8_000, 20_260_801)
  expect(disagreements).toEqual([])
  // Both sides of the judgement were put to the test.
  expect(taken).toBeGreaterThan(1_500)
  for (const reason of [
    'utf-8',
    'json',
    'no object',
    'depth',
    'ambiguous model',
    'type of model',
    'type of max_tokens',
  ]) {
    expect(refused.get(reason), reason).toBeGreaterThan(10)
  }
})
