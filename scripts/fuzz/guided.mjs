/** Inputs led by coverage: what reaches new code is kept and changed further. */
import { randomFrom } from '../../bench/node/stats.ts'
import { Coverage } from './coverage.mjs'
import { failureOf } from './random.mjs'

/**
 * @typedef {object} Found
 * @property {Uint8Array} bytes
 * @property {ReadonlySet<string>} pieces of code that the input reaches
 */

/**
 * @param {import('../../test/fuzz/targets.ts').Target} target
 * @param {{ seconds: number, seed: number, corpus: readonly Uint8Array[] }} options
 * @returns {import('./random.mjs').Result}
 */
export function runGuided(target, { seconds, seed, corpus }) {
  const random = randomFrom(seed)
  const coverage = new Coverage()
  /** @type {Found[]} */
  const kept = []
  const reached = new Set()
  const untilMs = performance.now() + seconds * 1000
  const first = [...corpus, ...Array.from({ length: 64 }, () => randomBytes(random, target.bytesMax))]
  let runs = 0
  for (; performance.now() < untilMs; runs += 1) {
    const bytes = first[runs] ?? changed(random, kept, target.bytesMax)
    coverage.reset()
    const failure = failureOf(target, bytes)
    if (failure !== null) {
      return { runs, failure: shrunk(target, bytes) ?? failure, coverage: null }
    }
    const pieces = coverage.take()
    if (pieces.every((piece) => reached.has(piece))) continue
    for (const piece of pieces) reached.add(piece)
    kept.push({ bytes, pieces: new Set(pieces) })
  }
  return { runs, failure: null, coverage: { reached: reached.size, corpus: cover(kept) } }
}

/**
 * Few and short inputs that together reach everything.
 * @param {readonly Found[]} kept
 */
function cover(kept) {
  const missing = new Set(kept.flatMap(({ pieces }) => [...pieces]))
  /** @type {Uint8Array[]} */
  const chosen = []
  const left = kept.toSorted((a, b) => a.bytes.length - b.bytes.length)
  while (missing.size > 0) {
    const gains = left.map(({ pieces }) => [...pieces].filter((piece) => missing.has(piece)).length)
    const best = left[gains.indexOf(Math.max(...gains))]
    if (best === undefined) break
    for (const piece of best.pieces) missing.delete(piece)
    chosen.push(best.bytes)
  }
  return chosen
}

/**
 * A kept input with a few bytes changed, put in, taken out or taken from another one.
 * @param {() => number} random
 * @param {readonly Found[]} kept
 * @param {number} bytesMax
 */
function changed(random, kept, bytesMax) {
  const below = (/** @type {number} */ count) => Math.floor(random() * count)
  const pick = () => kept[below(kept.length)]?.bytes ?? randomBytes(random, bytesMax)
  let bytes = [...pick()]
  for (let turns = 1 + below(4); turns > 0; turns -= 1) {
    const at = below(bytes.length + 1)
    const other = [...pick()]
    const from = below(other.length + 1)
    const changes = [
      () => bytes.splice(at, 1, below(256)),
      () => bytes.splice(at, 1, (bytes[at] ?? 0) + (random() < 0.5 ? 1 : -1)),
      () => bytes.splice(at, 0, below(256)),
      () => bytes.splice(at, 1 + below(4)),
      () => bytes.splice(at, 0, ...other.slice(from, from + 1 + below(16))),
      () => (bytes = [...bytes.slice(0, at), ...other.slice(from)]),
    ]
    changes[below(changes.length)]?.()
  }
  return Uint8Array.from(bytes.slice(0, bytesMax))
}

/**
 * The failure of the shortest bytes that still break the same rule.
 * @param {import('../../test/fuzz/targets.ts').Target} target
 * @param {Uint8Array} bytes
 */
function shrunk(target, bytes) {
  const ruleOf = (/** @type {Uint8Array} */ each) => failureOf(target, each)?.rule.split(':')[0]
  const rule = ruleOf(bytes)
  let best = bytes
  for (let size = Math.ceil(best.length / 2); size > 0; size = Math.floor(size / 2)) {
    for (let at = 0; at < best.length; at += size) {
      const shorter = Uint8Array.from([...best.slice(0, at), ...best.slice(at + size)])
      const plainer = best.map((byte, index) => (index >= at && index < at + size ? 0 : byte))
      if (ruleOf(shorter) === rule) best = shorter
      else if (ruleOf(plainer) === rule) best = plainer
    }
  }
  return failureOf(target, best)
}

/**
 * @param {() => number} random
 * @param {number} bytesMax
 */
function randomBytes(random, bytesMax) {
  return Uint8Array.from({ length: Math.floor(random() * bytesMax) }, () => Math.floor(random() * 256))
}
