import { dropOldest } from '../drop-oldest.ts'

/** Output tokens assumed at least while a model has answered a key less than `learntMin` times. */
const outputTokensDefault = 1024
const learntMin = 10
const quantile = 0.9
/** Bins of an eighth of an octave up to 2¹⁸ tokens. */
const binsPerOctave = 8
const binCount = 18 * binsPerOctave + 1
/** How much more than the one before an answer counts for: about the last hundred decide. */
const growth = 1.01
const weightMax = 1e6
const entriesMax = 1000
/** A client may name any model; longer names are not learnt of. */
const modelLengthMax = 200

interface Entry {
  readonly bins: Float32Array
  /** What the next answer counts for. */
  weight: number
  answers: number
}

/**
 * How many output tokens nine of ten answers stay within, for each key and model. Learnt in the isolate, bounded, the
 * longest unused forgotten first; an answer weighs less the longer it is past. The estimate is a bin's upper edge, at
 * most a tenth above the exact quantile.
 */
export class OutputQuantile {
  readonly #entries = new Map<string, Entry>()

  /** Tokens of one answer, at least 1; 1,024 before anything is known, and no less until ten answers are. */
  estimate(key: string, model: string | null): number {
    const entry = this.#use(key, model)
    if (entry === undefined) return outputTokensDefault
    const learnt = upperEdge(quantileBin(entry.bins))
    return entry.answers < learntMin ? Math.max(outputTokensDefault, learnt) : learnt
  }

  /** Takes in how many tokens an answer had; of a request for several answers, the mean of one. */
  learn(key: string, model: string | null, outputTokens: number): void {
    if (Number.isNaN(outputTokens) || (model ?? '').length > modelLengthMax) return
    const entry = this.#use(key, model) ?? this.#begin(key, model)
    const bin = binOf(outputTokens)
    entry.bins[bin] = (entry.bins[bin] ?? 0) + entry.weight
    entry.weight *= growth
    entry.answers += 1
    if (entry.weight > weightMax) lighten(entry)
  }

  /** How many pairs of key and model it knows; 1,000 at most. */
  get size(): number {
    return this.#entries.size
  }

  #use(key: string, model: string | null): Entry | undefined {
    const name = nameOf(key, model)
    const entry = this.#entries.get(name)
    if (entry === undefined) return undefined
    this.#entries.delete(name)
    this.#entries.set(name, entry)
    return entry
  }

  #begin(key: string, model: string | null): Entry {
    const entry: Entry = { bins: new Float32Array(binCount), weight: 1, answers: 0 }
    this.#entries.set(nameOf(key, model), entry)
    dropOldest(this.#entries, entriesMax)
    return entry
  }
}

function lighten(entry: Entry): void {
  for (let bin = 0; bin < binCount; bin += 1) entry.bins[bin] = (entry.bins[bin] ?? 0) / weightMax
  entry.weight /= weightMax
}

/** Ids of keys hold no space. */
function nameOf(key: string, model: string | null): string {
  return `${key} ${model ?? ''}`
}

/** The first bin with nine tenths of all answers in it or below. */
function quantileBin(bins: Float32Array): number {
  let above = 0
  let sum = 0
  for (const weight of bins) sum += weight
  for (let bin = binCount - 1; bin > 0; bin -= 1) {
    above += bins[bin] ?? 0
    if (above > (1 - quantile) * sum) return bin
  }
  return 0
}

/** Bin n holds answers of up to 2^(n / 8) tokens. */
function binOf(outputTokens: number): number {
  if (outputTokens <= 1) return 0
  return Math.min(binCount - 1, Math.ceil(Math.log2(outputTokens) * binsPerOctave))
}

function upperEdge(bin: number): number {
  return Math.ceil(2 ** (bin / binsPerOctave))
}
