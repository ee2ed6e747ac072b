import { describe, expect, it } from 'vitest'
import { parseStartOptions } from '../../scripts/start/options.mjs'

describe('the command line of npm start', () => {
  it('has defaults that need nothing said', () => {
    expect(parseStartOptions([])).toEqual({
      port: 8787,
      upstreams: {},
      state: '.sluice',
      reset: false,
      help: false,
    })
  })

  it('takes an upstream for all, and others by name', () => {
    const argv = [
      '--upstream',
      'https://a.example/v2',
      '--upstream=openai=http://127.0.0.1:9',
      '--port',
      '0',
      '--reset',
    ]
    expect(parseStartOptions(argv)).toMatchObject({
      port: 0,
      reset: true,
      upstreams: { '*': 'https://a.example/v2', openai: 'http://127.0.0.1:9' },
    })
  })

  it.each([
    [['--port', '70000']],
    [['--port', '80x']],
    [['--port=']],
    [['--port', '-1']],
    [['--port']],
    [['--upstream', 'api.example.com']],
    [['--upstream', 'ftp://a.example']],
    [['--upstream', 'openai=']],
    [['--upstream', 'https://a.example/?q=1']],
    [['--unknown']],
    [['--reset=yes']],
    [['left over']],
  ])('answers %j with one sentence', (argv) => {
    const options = parseStartOptions(argv)
    expect(options).toHaveProperty('problem')
    const { problem } = options as { problem: string }
    expect(problem).toMatch(/^[^\n]+\.$/)
  })
})
