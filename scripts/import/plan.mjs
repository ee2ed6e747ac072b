/** What becomes of the keys in a glm-proxy's `apikeys.json`. */

const fiveHours = { kind: 'token-window', name: 'five-hours', periodSeconds: 18_000 }
const tokensMax = 1_000_000_000_000
/** No name of a model. */
const unreadable = ' '
const nameLengthMax = 100
const shownLength = 8
/** What the admin API takes as the name of a model. */
const modelForm = /^[!-)+-~]{1,256}$/

/**
 * @typedef {object} PlannedKey
 * @property {string} old the first characters of the old key
 * @property {string} name
 * @property {{ models?: object, limits: object[], expiresAtMs?: number }} wish what the admin API is asked for
 */

/**
 * @typedef {object} Plan
 * @property {readonly PlannedKey[]} keys
 * @property {readonly string[]} leftOut a sentence for each key that is not made
 * @property {readonly string[]} notes a sentence for each thing that is otherwise than it was
 */

/**
 * Reads `{"keys": [...]}`, or the list alone. What is not understood is said and never makes a key more open.
 * @param {unknown} document parsed JSON
 * @param {number} nowMs
 * @returns {Plan}
 * @throws {Error} when it holds no list of keys
 */
export function planImport(document, nowMs) {
  const list = Array.isArray(document) ? document : fieldsOf(document)['keys']
  if (!Array.isArray(list)) throw new Error('The file holds no list of keys: {"keys": [...]}.')
  const keys = []
  const leftOut = []
  const notes = []
  for (const [at, value] of list.entries()) {
    const entry = fieldsOf(value)
    const old = shownOf(entry['key'])
    const name = nameOf(entry['name'], at)
    const what = `Key ${at + 1} (${name}, ${old})`
    const read = wishOf(entry, nowMs)
    if (typeof read === 'string') leftOut.push(`${what} is left out: ${read}.`)
    else {
      keys.push({ old, name, wish: read.wish })
      notes.push(...read.notes.map((note) => `${what} ${note}.`))
    }
  }
  return { keys, leftOut, notes }
}

/**
 * @param {Record<string, unknown>} entry
 * @param {number} nowMs
 * @returns {{ wish: PlannedKey['wish'], notes: string[] } | string} or why there is to be no key
 */
function wishOf(entry, nowMs) {
  const expiresAtMs = expiryOf(entry['expiry_date'])
  if (expiresAtMs === 'unreadable') return 'its expiry_date cannot be read'
  if (expiresAtMs !== null && expiresAtMs <= nowMs) return 'it has expired'
  const tokens = tokensOf(entry['token_limit_per_5h'])
  if (tokens === 'unreadable') return 'its token_limit_per_5h cannot be read'
  if (tokens !== null && tokens < 1) return 'its token_limit_per_5h lets nothing pass'
  const model = modelOf(entry['model'])
  if (model?.name === unreadable) return 'its model cannot be read'
  return {
    wish: {
      ...(model === null ? {} : { models: { allow: [model.name] } }),
      limits: tokens === null ? [] : [{ ...fiveHours, max: Math.min(tokensMax, tokens) }],
      ...(expiresAtMs === null ? {} : { expiresAtMs }),
    },
    notes: notesOn(entry, tokens),
  }
}

/**
 * @param {Record<string, unknown>} entry
 * @param {number | null} tokens
 */
function notesOn(entry, tokens) {
  const used = Number(entry['total_lifetime_tokens'] ?? 0)
  const notes = []
  if (tokens === null) notes.push('has no limit, since none stood there')
  if (tokens !== null && tokens > tokensMax) notes.push('has a limit of 10^12 tokens, the most there is')
  if (modelOf(entry['model']) === null)
    notes.push('may use every model of its routes, since none stood there')
  if (used > 0) notes.push(`begins anew: the ${used} tokens that it has used are not carried over`)
  return notes
}

/**
 * @param {unknown} value
 * @returns {{ name: string } | null} null where none stands
 */
function modelOf(value) {
  if (value === undefined || value === null || value === '') return null
  return { name: typeof value === 'string' && modelForm.test(value) ? value : unreadable }
}

/** @param {unknown} value */
function expiryOf(value) {
  if (value === undefined || value === null || value === '') return null
  const ms = typeof value === 'string' || typeof value === 'number' ? new Date(value).getTime() : Number.NaN
  return Number.isNaN(ms) ? 'unreadable' : Math.trunc(ms)
}

/** @param {unknown} value */
function tokensOf(value) {
  if (value === undefined || value === null) return null
  const tokens =
    typeof value === 'number' || (typeof value === 'string' && value.trim() !== '') ? Number(value) : NaN
  return Number.isFinite(tokens) ? Math.floor(tokens) : 'unreadable'
}

/**
 * A name as the admin API takes one.
 * @param {unknown} value
 * @param {number} at
 */
function nameOf(value, at) {
  const text =
    typeof value === 'string'
      ? value
          .toWellFormed()
          .replaceAll(/\p{Cc}+/gu, ' ')
          .trim()
      : ''
  return text === '' ? `key ${at + 1}` : text.slice(0, nameLengthMax).toWellFormed()
}

/** @param {unknown} key */
function shownOf(key) {
  return typeof key === 'string' && key !== '' ? `${key.slice(0, shownLength)}…` : 'no key'
}

/**
 * @param {unknown} value
 * @returns {Record<string, unknown>}
 */
function fieldsOf(value) {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
