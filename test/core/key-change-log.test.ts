import { expect, test } from 'vitest'
import { changesToTell, toldForMs } from '../../src/core/key/change-log.ts'

const nowMs = 1_800_000_000_000

test.each([
  [
    'an isolate that knows nothing is told of the last 24 hours',
    null,
    7,
    { tell: 'recent', afterMs: nowMs - toldForMs },
  ],
  ['one that is up to date is told nothing', 7, 7, { tell: 'nothing' }],
  ['one that is behind is told what came since', 3, 7, { tell: 'since', sequence: 3 }],
  [
    'one that heard nothing yet of an account that has changed is told all of it',
    0,
    7,
    { tell: 'since', sequence: 0 },
  ],
  ['one that is ahead holds records of another life and has to ask again', 8, 7, { tell: 'everything' }],
])('%s', (_, known, current, told) => {
  expect(changesToTell(known, current, nowMs)).toEqual(told)
})
