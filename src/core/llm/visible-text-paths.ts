/** A container or value of JSON that leads to text; 0 leads nowhere. */
export type Node = number
/** How much of a known member name has been read; 0 is a name not known. */
export type NameState = number

const nodesMax = 48
const statesMax = 256
/** ASCII, of which the last one stands for all that is not. */
const letters = 128

/**
 * Paths to text in JSON, as tables that a byte-wise reader follows without building strings. A path is made of member
 * names with `.` between them and `[]` for any element of an array.
 */
export class TextPaths {
  /** Where a document begins. */
  readonly root: Node = 1
  /** 1 for a node whose string value is text. */
  readonly isText = new Uint8Array(nodesMax)
  /** The node of the container that a value stands in. */
  readonly parent = new Uint16Array(nodesMax)
  /** 1 for the node of an array's elements. */
  readonly isElement = new Uint8Array(nodesMax)
  /** The node of an array's elements. */
  readonly element = new Uint16Array(nodesMax)
  /** The state in which a member name of a node's object begins. */
  readonly nameStart = new Uint16Array(nodesMax)
  /** The node of a name's value once the name has ended. */
  readonly nameEnd = new Uint16Array(statesMax)
  readonly #step = new Uint16Array(statesMax * letters)
  #nodes = 1
  #states = 0

  constructor(paths: readonly string[]) {
    for (const path of paths) this.#add(path)
  }

  /** The state after one more character of a name. */
  next(state: NameState, charCode: number): NameState {
    return this.#step[state * letters + Math.min(charCode, letters - 1)] ?? 0
  }

  #add(path: string): void {
    let node = this.root
    for (const part of path.match(/\[\]|\w+/g) ?? []) node = this.#child(node, part)
    this.isText[node] = 1
  }

  #child(node: Node, part: string): Node {
    if (part === '[]') return (this.element[node] ||= this.#newNode(node, 1))
    let state = (this.nameStart[node] ||= this.#newState())
    for (const char of part) {
      const at = state * letters + char.charCodeAt(0)
      state = this.#step[at] ||= this.#newState()
    }
    return (this.nameEnd[state] ||= this.#newNode(node, 0))
  }

  #newNode(parent: Node, isElement: 0 | 1): Node {
    this.#nodes += 1
    if (this.#nodes >= nodesMax) throw new RangeError('more paths than there is room for')
    this.parent[this.#nodes] = parent
    this.isElement[this.#nodes] = isElement
    return this.#nodes
  }

  #newState(): NameState {
    this.#states += 1
    if (this.#states >= statesMax) throw new RangeError('more names than there is room for')
    return this.#states
  }
}

const inChatMessage = [
  'content',
  'content[].text',
  'content[].thinking[].text',
  'reasoning_content',
  'reasoning',
  'refusal',
  'tool_calls[].function.name',
  'tool_calls[].function.arguments',
  'tool_calls[].custom.name',
  'tool_calls[].custom.input',
  'function_call.name',
  'function_call.arguments',
]

/**
 * Text that a model visibly produces, in the events of all three stream formats. No format has a path that means
 * something else in another one. Responses: every `response.*.delta` event holds its text in `delta`; `.done` events
 * and the response at the end repeat it and are left out, as are signatures, padding and results of server tools.
 */
export const deltaPaths = new TextPaths([
  ...inChatMessage.map((path) => `choices[].delta.${path}`),
  'choices[].text',
  'delta',
  'delta.text',
  'delta.partial_json',
  'delta.thinking',
  'delta.content',
  'content_block.text',
  'content_block.thinking',
  'content_block.name',
])

/** The same in a whole answer. */
export const answerPaths = new TextPaths([
  ...inChatMessage.map((path) => `choices[].message.${path}`),
  'choices[].text',
  'content[].text',
  'content[].thinking',
  'content[].name',
  'output[].content[].text',
  'output[].content[].refusal',
  'output[].summary[].text',
  'output[].name',
  'output[].arguments',
  'output[].input',
  'output[].code',
])
