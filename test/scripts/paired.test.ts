import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { doubtsAbout, someAvg10 } from '../../bench/node/guard.ts'
import { openConnection, requestBytes, wholeAnswer } from '../../bench/node/connection.ts'
import {
  cpuRatio,
  pairedDifference,
  quantileDifference,
  runCpuBlocks,
  runRounds,
  withConnections,
  type Leg,
} from '../../bench/node/paired.ts'

const server = createServer((req, res) => {
  let body = ''
  req.setEncoding('utf8').on('data', (piece: string) => (body += piece))
  req.on('end', () => {
    if (req.url === '/length') res.end(`${req.method} ${body}`)
    else if (req.url === '/none') res.writeHead(204).end()
    else if (req.url === '/cut') res.socket?.destroy()
    else if (req.url === '/bad') res.writeHead(500).end('bad')
    else setTimeout(() => res.end('later'), 1)
  })
})
let origin = ''

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => server.close())

function leg(name: string, cpuNs: Leg['cpuNs'] = null): Leg {
  return { name, origin, cpuNs }
}

describe('wholeAnswer', () => {
  const chunked =
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nx: y\r\n\r\n'
  it.each([
    [
      'content-length',
      'HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello',
      { status: 404, bodyBytes: 5 },
    ],
    ['no body', 'HTTP/1.1 204 No Content\r\n\r\n', { status: 204, bodyBytes: 0 }],
    ['chunked with extension and trailer', chunked, { status: 200, bodyBytes: 13 }],
  ])('is complete at the last byte and not before: %s', (_name, text, expected) => {
    const bytes = Buffer.from(text)
    expect(wholeAnswer(bytes)).toEqual(expected)
    for (let cut = 0; cut < bytes.length; cut++) expect(wholeAnswer(bytes.subarray(0, cut))).toBeNull()
  })

  it.each([
    'SSH-2.0-OpenSSH\r\n\r\n',
    'HTTP/1.1 200 OK\r\n\r\nuntil the end',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n',
  ])('refuses what it cannot delimit: %j', (text) => {
    expect(() => wholeAnswer(Buffer.from(text))).toThrow(Error)
  })
})

describe('a connection', () => {
  it('sends method, path and body and can be used again', async () => {
    const connection = await openConnection(origin)
    const request = requestBytes(origin, { method: 'POST', path: '/length', body: 'hé' })
    expect(await connection.ask(request)).toMatchObject({ status: 200, bodyBytes: 'POST hé'.length + 1 })
    expect(await connection.ask(request)).toMatchObject({ status: 200 })
    connection.close()
  })

  it('fails when the server hangs up', async () => {
    const connection = await openConnection(origin)
    const request = requestBytes(origin, { method: 'GET', path: '/cut' })
    await expect(connection.ask(request)).rejects.toThrow('ended')
  })
})

describe('paired rounds', () => {
  const plan = { expectStatus: 200, rounds: 6, perRound: 5, warmUp: 2, seed: 1 }

  it('time every leg equally often, in an order that changes', async () => {
    const order: string[] = []
    const request = { method: 'GET', path: '/length' }
    const times = await withConnections([leg('a'), leg('b'), leg('c')], request, (askers) => {
      const noted = askers.map((asker) => ({
        ...asker,
        ask: () => {
          order.push(asker.leg.name)
          return asker.ask()
        },
      }))
      return runRounds(noted, { ...plan, request })
    })
    for (const name of ['a', 'b', 'c']) {
      expect(times[name]).toHaveLength(6)
      expect(times[name]?.every((round) => round.length === 5)).toBe(true)
      expect(order.filter((asked) => asked === name)).toHaveLength(32)
    }
    const turns = Array.from({ length: 32 }, (_, turn) => order.slice(turn * 3, turn * 3 + 3))
    expect(turns.every((turn) => new Set(turn).size === 3)).toBe(true)
    expect(new Set(turns.map((turn) => turn.join(''))).size).toBeGreaterThan(3)
  })

  it('stop at an answer of another status', async () => {
    const request = { method: 'GET', path: '/bad' }
    const run = withConnections([leg('a')], request, (askers) => runRounds(askers, { ...plan, request }))
    await expect(run).rejects.toThrow('a answered 500')
  })

  it('find a planted millisecond and nothing between a server and itself', async () => {
    const request = { method: 'GET', path: '/length' }
    const slow = { ...leg('slow'), headers: {} }
    const times = await withConnections([leg('a'), leg('b')], request, async (askers) =>
      withConnections([slow], { ...request, path: '/slow' }, (others) =>
        runRounds([...askers, ...others], { ...plan, rounds: 20, perRound: 10, request }),
      ),
    )
    const { a = [], b = [] } = times
    const same = pairedDifference(b, a, { seed: 1, level: 0.999 })
    expect(same.low).toBeLessThan(0.05)
    expect(same.high).toBeGreaterThan(-0.05)
    const planted = pairedDifference(times['slow'] ?? [], a, { seed: 1, level: 0.999 })
    expect(planted.low).toBeGreaterThan(0.5)
  })
})

describe('estimates', () => {
  it('subtract within a turn, not across rounds', () => {
    const estimate = pairedDifference([[11, 22], [33]], [[10, 20], [30]], { seed: 1 })
    expect(estimate.value).toBe(2)
    expect([estimate.low, estimate.high]).toEqual([expect.any(Number), expect.any(Number)])
  })

  it('take the difference of quantiles over all rounds', () => {
    expect(
      quantileDifference(
        [
          [1, 2],
          [10, 4],
        ],
        [
          [1, 1],
          [5, 1],
        ],
        { q: 1, seed: 1 },
      ).value,
    ).toBe(5)
  })

  it('read CPU time in the order first, second, second, first and divide by requests', async () => {
    const asked: string[] = []
    const clock = { one: 0, two: 0 }
    const asker = (name: 'one' | 'two', costNs: number) => ({
      leg: leg(name, () => clock[name]),
      ask: async () => {
        asked.push(name)
        clock[name] += costNs
        return { status: 200, ns: 1, bodyBytes: 0 }
      },
    })
    const blocks = await runCpuBlocks([asker('one', 100_000), asker('two', 250_000)], {
      groups: 2,
      perBlock: 1,
    })
    expect(asked.join(' ')).toBe('one two two one one two two one')
    expect(blocks).toEqual([
      { firstUs: 100, secondUs: 250 },
      { firstUs: 100, secondUs: 250 },
    ])
    expect(cpuRatio(blocks, 1)).toEqual({ value: 2.5, low: 2.5, high: 2.5 })
  })
})

describe('the guard', () => {
  it('reads stall information and judges by it where there is any', () => {
    expect(someAvg10('some avg10=12.34 avg60=1.00 avg300=0.00 total=1\nfull avg10=99.00')).toBe(12.34)
    expect(someAvg10('')).toBeNull()
    expect(doubtsAbout({ cpuSomeAvg10: 2, loadPerCpu: 5 })).toEqual([])
    expect(doubtsAbout({ cpuSomeAvg10: 40, loadPerCpu: 0 })).toHaveLength(1)
    expect(doubtsAbout({ cpuSomeAvg10: null, loadPerCpu: 1.5 })).toHaveLength(1)
    expect(doubtsAbout({ cpuSomeAvg10: null, loadPerCpu: 0.1 })).toEqual([])
  })
})
