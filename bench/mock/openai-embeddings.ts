import { promptTokens } from './ask.ts'
import type { Ask, Reply } from './ask.ts'
import { badRequest } from './problem.ts'
import { fraction, seedOfText } from './seeded.ts'

const DIMENSIONS = 1536
const DIMENSIONS_MAX = 4096

/** `POST /v1/embeddings`: equal inputs have equal unit vectors. */
export function embeddings(ask: Ask): Reply {
  const inputs = inputsOf(ask.body['input'])
  if (inputs === undefined) return badRequest("'input' must be a string, tokens, or a list of them.", 'input')
  const dimensions = ask.body['dimensions'] ?? DIMENSIONS
  if (typeof dimensions !== 'number' || !(dimensions >= 1 && dimensions <= DIMENSIONS_MAX)) {
    return badRequest(`'dimensions' must be between 1 and ${DIMENSIONS_MAX}.`, 'dimensions')
  }
  const encode = ask.body['encoding_format'] === 'base64' ? base64 : (vector: Float32Array) => [...vector]
  const data = inputs.map((input, index) => {
    const seed = ask.directive.seed ^ seedOfText(JSON.stringify(input))
    return { object: 'embedding', index, embedding: encode(unitVector(seed, dimensions)) }
  })
  const tokens = inputs.reduce((sum, input) => sum + tokensOf(input), 0)
  const usage = { prompt_tokens: tokens, total_tokens: tokens }
  return { json: JSON.stringify({ object: 'list', data, model: ask.model, usage }), tokens: 0 }
}

type Input = string | number[]

function inputsOf(input: unknown): Input[] | undefined {
  if (isInput(input)) return [input]
  return Array.isArray(input) && input.every(isInput) ? input : undefined
}

function isInput(value: unknown): value is Input {
  if (typeof value === 'string') return true
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'number')
}

function tokensOf(input: Input): number {
  return typeof input === 'string' ? promptTokens(input) : input.length
}

function unitVector(seed: number, dimensions: number): Float32Array {
  const vector = new Float32Array(dimensions)
  let squares = 0
  for (let i = 0; i < dimensions; i += 1) {
    const value = fraction(seed, i) * 2 - 1
    vector[i] = value
    squares += value * value
  }
  const length = Math.sqrt(squares)
  return vector.map((value) => value / length)
}

/** Little-endian float32, as the openai client asks for unless told otherwise. */
function base64(vector: Float32Array): string {
  let binary = ''
  for (const byte of new Uint8Array(vector.buffer)) binary += String.fromCharCode(byte)
  return btoa(binary)
}
