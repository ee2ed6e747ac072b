import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { figureLine, interval, written } from '../../bench/node/report.ts'
import { parseReport } from '../../bench/rig/micro.ts'

const figures = fileURLToPath(new URL('../../scripts/figures.mjs', import.meta.url))

describe('a figure', () => {
  it.each([
    [0, '0'],
    [12_345.678, '12346'],
    [1.23456, '1.235'],
    [0.000123456, '0.0001235'],
    [-0.041999, '-0.042'],
    [2, '2'],
    [1e-12, '0'],
  ])('%d is written %s: four digits and never an exponent', (value, text) => {
    expect(written(value)).toBe(text)
  })

  it('is one line of four words', () => {
    expect(figureLine({ name: 'area.what.us', value: 21.3849, unit: 'us', low: 1, high: 2 })).toBe(
      'figure area.what.us 21.38 us',
    )
    expect(interval({ value: 2, low: 1.23456, high: 3 })).toBe('[1.235, 3]')
  })
})

describe('the report of workerd bench', () => {
  const spread = { median: 5, medianLow: 4, medianHigh: 6 }

  it('is read case by case, over all groups', () => {
    const one = {
      name: 'a',
      status: 'ok',
      wallNs: spread,
      cpuNs: { ...spread, median: 7 },
      flags: ['atFloor'],
    }
    const other = { name: 'b', status: 'ok', wallNs: spread, cpuNs: spread }
    const groups = [{ cases: [one] }, { cases: [other] }]
    expect(parseReport(JSON.stringify({ groups }))).toEqual([
      { name: 'a', wallNs: 5, lowNs: 4, highNs: 6, cpuNs: 7, flags: ['atFloor'] },
      { name: 'b', wallNs: 5, lowNs: 4, highNs: 6, cpuNs: 5, flags: [] },
    ])
  })

  it('is refused when a case failed', () => {
    const groups = [{ cases: [{ name: 'a', status: 'failed' }] }]
    expect(() => parseReport(JSON.stringify({ groups }))).toThrow('a ended with failed')
  })
})

describe('npm run figures', () => {
  it.each([[['nowhere']], [[]], [['pipeline', 'pipeline']], [['pipeline', '--fast']]])(
    'says in one sentence which areas there are and exits with 2: %j',
    async (args) => {
      const failure: unknown = await promisify(execFile)(process.execPath, [figures, ...args]).catch(
        (error: unknown) => error,
      )
      expect(failure).toMatchObject({ code: 2, stdout: '' })
      expect((failure as { stderr: string }).stderr.trim()).toMatch(
        /^[^\n]*areas: hostile, limits, llm, pipeline, upstreams[^\n]*$/,
      )
    },
  )
})
