import { describe, expect, test } from 'vitest'
import { deliverNative } from '../../src/gateway/native.ts'
import type { StreamTerms } from '../../src/gateway/stream-terms.ts'
import { StreamWorld } from './support/stream-world.ts'

function native(totalMs = 600_000, onStop?: StreamTerms['onStop']): StreamWorld {
  const world = new StreamWorld()
  const terms = world.terms({ totalMs, ...(onStop && { onStop }) })
  const abort = () => {
    world.aborted = true
    // A pipe from a script's stream looks at its signal when something comes, and not before.
    world.send('.').catch(() => {})
  }
  world.deliver(deliverNative(world.body, { ...terms, answer: { ...terms.answer, abort } }))
  return world
}

describe('a native body', () => {
  test('reaches the client as it is, and ends with its upstream', async () => {
    const world = native()
    await world.send('one')
    await world.send('two')
    await world.endUpstream()
    expect([world.got, world.clientEnd, world.aborted]).toEqual(['onetwo', 'ended', false])
    expect(world.results).toEqual([{ ending: 'complete', bytes: null }])
  })

  test('that must not go on is broken off, and its upstream closed', async () => {
    const world = native()
    await world.send('one')
    await world.send('two')
    world.stop()
    await world.clock.advance(100)
    expect(world.aborted).toBe(true)
    expect(world.results).toEqual([{ ending: 'stopped', bytes: null }])
    expect([world.got, world.clientEnd]).toEqual(['onetwo', 'broken'])
  })

  test('that must not go on before it has begun never does', async () => {
    const world = native(600_000, (stop) => stop())
    await world.send('one')
    await world.clock.advance(100)
    expect([world.got, world.clientEnd, world.aborted]).toEqual(['', 'broken', true])
    expect(world.results).toEqual([{ ending: 'stopped', bytes: null }])
  })

  test('that has ended is not touched by what comes later', async () => {
    const world = native()
    await world.endUpstream()
    world.stop()
    await world.leave('signal')
    await world.clock.advance(700_000)
    expect(world.results).toEqual([{ ending: 'complete', bytes: null }])
  })

  test('has one ending, the first, whatever else comes', async () => {
    const late = native(1_000)
    await late.clock.advance(1_000)
    late.stop()
    const stopped = native()
    stopped.stop()
    await stopped.leave('signal')
    const left = native()
    await left.leave('signal')
    left.stop()
    for (const world of [late, stopped, left]) await world.clock.advance(1_000)
    const endings = [late, stopped, left].map(({ results }) => results.map(({ ending }) => ending))
    expect(endings).toEqual([['total_timeout'], ['stopped'], ['client_left']])
  })
})
