import { describe, expect, test } from 'vitest'
import { parseFuzzOptions } from '../../scripts/fuzz/options.mjs'
import { targets } from '../fuzz/targets.ts'

describe('the command line of npm run fuzz', () => {
  test('fuzzes every target a hundred thousand times when nothing else is said', () => {
    expect(parseFuzzOptions([])).toEqual({
      targets: targets.map(({ name }) => name),
      runs: 100_000,
      seconds: null,
      seed: null,
      guided: false,
      keep: false,
      help: false,
    })
  })

  test('takes targets and settings in any order', () => {
    const options = parseFuzzOptions(['key', '--seconds', '9', 'path', '--seed', '7', '--guided'])
    expect(options).toMatchObject({ targets: ['key', 'path'], seconds: 9, seed: 7, guided: true })
  })

  test.each([
    [['sse'], 'There is no target "sse": name some of path, headers, config, key, event-stream.'],
    [['--runs', '0'], '--runs takes a whole number from 1 to 999999999, not "0".'],
    [['--seconds', 'x'], '--seconds takes a whole number from 1 to 999999999, not "x".'],
    [['--fast'], "Unknown option '--fast': see npm run fuzz -- --help."],
  ])('says in a sentence what is wrong with %j', (argv, problem) => {
    expect(parseFuzzOptions(argv)).toEqual({ problem })
  })
})
