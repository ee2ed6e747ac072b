/** Where inputs are kept: failing ones that tests replay, and those that reach the most code. */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = new URL('../../test/fuzz/', import.meta.url)

/**
 * Keeps an input that fails.
 * @param {string} target
 * @param {import('./random.mjs').Failure} failure
 * @returns {string} its path
 */
export function keepCrash(target, { rule, input }) {
  const folder = new URL(`crashes/${target}/`, root)
  mkdirSync(folder, { recursive: true })
  const words =
    rule
      .split(':')[0]
      ?.toLowerCase()
      .match(/[a-z0-9]+/g) ?? []
  const mark = createHash('sha256').update(JSON.stringify(input)).digest('hex').slice(0, 8)
  const file = new URL(`${words.slice(0, 8).join('-')}-${mark}.json`, folder)
  writeFileSync(file, `${JSON.stringify({ rule, input }, null, 2)}\n`)
  return fileURLToPath(file)
}

/**
 * The bytes of the inputs kept for a target.
 * @param {string} target
 * @returns {Uint8Array[]}
 */
export function readCorpus(target) {
  try {
    /** @type {string[]} */
    const texts = JSON.parse(readFileSync(new URL(`corpus/${target}.json`, root), 'utf8'))
    return texts.map((text) => new Uint8Array(Buffer.from(text, 'base64')))
  } catch {
    return []
  }
}

/**
 * Keeps the bytes of inputs for the next run and for the tests.
 * @param {string} target
 * @param {readonly Uint8Array[]} corpus
 */
export function keepCorpus(target, corpus) {
  mkdirSync(new URL('corpus/', root), { recursive: true })
  const texts = corpus.map((bytes) => Buffer.from(bytes).toString('base64'))
  writeFileSync(new URL(`corpus/${target}.json`, root), `${JSON.stringify(texts, null, 2)}\n`)
}
