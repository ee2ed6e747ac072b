import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Slots, type Priority, type Slot } from '../../src/core/upstream/slots.ts'

const long = 1_000_000

describe('the places of a target', () => {
  it('are given back once each, and go to the queue in the order of priority and arrival', () => {
    const slots = new Slots({ max: 1, queueMax: 10 })
    const held = slots.take(0, long)
    const given: string[] = []
    const places: Slot[] = []
    const wait = (priority: Priority, name: string) =>
      slots.wait(priority, long, (slot) => {
        given.push(name)
        if (slot !== null) places.push(slot)
      })
    wait('low', 'low')
    wait('normal', 'first')
    wait('high', 'high')
    wait('normal', 'second')
    held?.release()
    held?.release()
    expect(given).toEqual(['high'])
    for (let at = 0; at < 4; at += 1) places.shift()?.release()
    expect(given).toEqual(['high', 'first', 'second', 'low'])
    expect([slots.held, slots.queued]).toEqual([0, 0])
  })

  it('turn the last of a full queue away for one of a higher priority, and no other', () => {
    const slots = new Slots({ max: 1, queueMax: 1 })
    slots.take(0, long)
    const given: (Slot | null)[] = []
    slots.wait('normal', long, (slot) => void given.push(slot))
    expect(slots.wait('normal', long, () => {})).toBeNull()
    expect(given).toEqual([])
    expect(slots.wait('high', long, () => {})).not.toBeNull()
    expect(given).toEqual([null])
  })

  it('are taken back from a holder that is never heard of again', () => {
    const slots = new Slots({ max: 1, queueMax: 0 })
    const forgotten = slots.take(0, 500)
    expect(slots.take(499, long)).toBeNull()
    expect(slots.take(500, long)).not.toBeNull()
    forgotten?.release()
    expect(slots.held).toBe(1)
  })

  it('are as many as come where nothing caps them, and counted', () => {
    const slots = new Slots({ max: null, queueMax: 0 })
    const places = Array.from({ length: 1_000 }, () => slots.take(0, 1))
    expect(slots.held).toBe(1_000)
    for (const place of [...places, ...places]) place?.release()
    expect(slots.held).toBe(0)
  })

  it('are never more than there are, and no waiter is forgotten, whatever happens', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('take' as const) }),
      fc.record({ kind: fc.constant('release' as const), which: fc.nat(20) }),
      fc.record({
        kind: fc.constant('wait' as const),
        priority: fc.constantFrom<Priority>('high', 'normal', 'low'),
      }),
      fc.record({ kind: fc.constant('leave' as const), which: fc.nat(20) }),
    )
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.nat(4),
        fc.array(step, { maxLength: 100 }),
        (max, queueMax, steps) => {
          const slots = new Slots({ max, queueMax })
          const places: Slot[] = []
          const waiting = new Set<{ leave(): void }>()
          for (const each of steps) {
            if (each.kind === 'take') {
              const slot = slots.take(0, long)
              if (slot !== null) places.push(slot)
            } else if (each.kind === 'release') places.splice(each.which, 1)[0]?.release()
            else if (each.kind === 'leave') {
              const waiter = [...waiting][each.which]
              waiter?.leave()
              if (waiter !== undefined) waiting.delete(waiter)
            } else if (!slots.hasRoom(0)) {
              const waiter = slots.wait(each.priority, long, (slot) => {
                if (waiter !== null) waiting.delete(waiter)
                if (slot !== null) places.push(slot)
              })
              if (waiter !== null) waiting.add(waiter)
            }
            expect(slots.held).toBe(places.length)
            expect(places.length).toBeLessThanOrEqual(max)
            expect(slots.queued).toBe(waiting.size)
            expect(waiting.size).toBeLessThanOrEqual(queueMax)
            // Nobody waits while there is room.
            if (waiting.size > 0) expect(places.length).toBe(max)
          }
        },
      ),
    )
  })
})
