import { describe, expect, test } from 'vitest'
import { deliverTap } from '../../src/gateway/tap.ts'
import { StreamWorld } from './support/stream-world.ts'

const event = 'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'

function tapped(): StreamWorld {
  const world = new StreamWorld()
  world.deliver(deliverTap(world.body, world.terms()))
  return world
}

const reasons = [
  ['key_revoked', 'key_invalid'],
  ['slot_lost', 'limits_unavailable'],
] as const

describe('a tapped stream that is stopped', () => {
  test.each(reasons)(
    'because of %s ends with an error event that says %s, and abnormally',
    async (why, code) => {
      const world = tapped()
      await world.send(event)
      await world.clock.advance(200)
      world.stopWith = why
      world.stop()
      await world.clock.advance(100)
      const [, before = '', data = ''] = /^([^]*)data: (\{"error".*\})\n\n(?::\n\n)?$/.exec(world.got) ?? []
      expect(before).toBe(event)
      expect(JSON.parse(data)).toMatchObject({ error: { code } })
      expect(world.clientEnd).toBe('broken')
      expect(world.results).toEqual([{ ending: 'stopped', bytes: event.length }])
      expect([world.seen, world.aborted]).toEqual([event, true])
    },
  )

  test('after it has ended is not touched', async () => {
    const world = tapped()
    await world.send(event)
    await world.endUpstream()
    await world.clock.advance(100)
    world.stop()
    await world.clock.advance(100)
    expect([world.got, world.clientEnd, world.aborted]).toEqual([event, 'ended', false])
    expect(world.results).toEqual([{ ending: 'complete', bytes: event.length }])
  })
})
