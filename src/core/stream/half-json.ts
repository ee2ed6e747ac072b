/**
 * Completes a JSON object that broke off: returns what to append so that the whole is valid JSON whose top level has
 * the given members too (they win over equal names, RFC 8259 §4 as every parser in use reads it).
 *
 * @param half the text so far, beginning with `{`; bytes above 127 may stand as any single characters
 * @param members the text of the members to add, without braces, for example `"error":{}`
 * @returns the rest, or null when the text is no beginning of a JSON object or the object is closed already
 */
export function completeObject(half: string, members: string): string | null {
  const state = new HalfJson()
  for (const char of half) if (!state.take(char)) return null
  const rest = state.complete(members)
  return rest === null || !isJson(half + rest) ? null : rest
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

type Expecting = 'key' | 'first_key' | 'colon' | 'value' | 'first_value' | 'end'

const literals = ['true', 'false', 'null']

/** A reader that knows only what is needed to close what is open; it forgives what a parser would refuse. */
class HalfJson {
  #open: string[] = []
  #expecting: Expecting = 'value'
  /** The string or bare word being read; null between tokens. */
  #token: string | null = null
  #isKey = false
  #closed = false

  take(char: string): boolean {
    if (this.#closed) return char.trim() === ''
    if (this.#token !== null) return this.#inToken(char)
    if (char.trim() === '') return true
    if (char === '"') return this.#beginString()
    if (char === '{' || char === '[') return this.#beginContainer(char)
    if (char === '}' || char === ']') return this.#endContainer(char)
    if (char === ':') return this.#move('colon', 'value')
    if (char === ',') return this.#move('end', this.#open.at(-1) === '{' ? 'key' : 'value')
    return this.#beginWord(char)
  }

  complete(members: string): string | null {
    if (this.#closed || this.#open.length === 0) return null
    let rest = this.#token === null ? '' : this.#endToken(this.#token)
    while (this.#open.length > 1) rest += this.#closeInner()
    return rest + this.#closeOuter(members)
  }

  #move(from: Expecting, to: Expecting): boolean {
    if (this.#expecting !== from) return false
    this.#expecting = to
    return true
  }

  #mayBeginValue(): boolean {
    return this.#expecting === 'value' || this.#expecting === 'first_value'
  }

  #beginString(): boolean {
    this.#isKey = this.#expecting === 'key' || this.#expecting === 'first_key'
    if (!this.#isKey && !this.#mayBeginValue()) return false
    if (this.#open.length === 0) return false
    this.#token = '"'
    return true
  }

  #beginWord(char: string): boolean {
    if (!this.#mayBeginValue() || this.#open.length === 0) return false
    this.#isKey = false
    this.#token = char
    return true
  }

  #beginContainer(char: '{' | '['): boolean {
    if (!this.#mayBeginValue() || (this.#open.length === 0 && char === '[')) return false
    this.#open.push(char)
    this.#expecting = char === '{' ? 'first_key' : 'first_value'
    return true
  }

  #endContainer(char: string): boolean {
    if (this.#open.at(-1) !== (char === '}' ? '{' : '[')) return false
    this.#open.pop()
    this.#expecting = 'end'
    this.#closed = this.#open.length === 0
    return true
  }

  #inToken(char: string): boolean {
    const token = this.#token ?? ''
    if (token.startsWith('"')) {
      const ends = char === '"' && !endsInEscape(token)
      this.#token = ends ? null : token + char
      if (ends) this.#expecting = this.#isKey ? 'colon' : 'end'
      return char >= ' '
    }
    if (/[-+.\w]/.test(char)) {
      this.#token = token + char
      return true
    }
    this.#token = null
    this.#expecting = 'end'
    return this.take(char)
  }

  /** Closes the token being read. */
  #endToken(token: string): string {
    this.#token = null
    this.#expecting = this.#isKey ? 'colon' : 'end'
    if (token.startsWith('"')) return endOfString(token)
    const literal = literals.find((word) => word.startsWith(token))
    if (literal !== undefined) return literal.slice(token.length)
    return /\d$/.test(token) ? '' : '0'
  }

  /** Fills in what the innermost container still needs before it can be closed. */
  #fill(): string {
    if (this.#expecting === 'colon') return ':null'
    if (this.#expecting === 'value') return 'null'
    return this.#expecting === 'key' ? '"":null' : ''
  }

  #closeInner(): string {
    const filled = this.#fill()
    const close = this.#open.pop() === '{' ? '}' : ']'
    this.#expecting = 'end'
    return filled + close
  }

  #closeOuter(members: string): string {
    const separator = this.#expecting === 'key' || this.#expecting === 'first_key' ? '' : ','
    const filled = this.#expecting === 'key' ? '' : this.#fill()
    return `${filled}${separator}${members}}`
  }
}

/** Whether the last character of an unfinished string is a backslash that escapes the next one. */
function endsInEscape(token: string): boolean {
  let slashes = 0
  while (token[token.length - 1 - slashes] === '\\') slashes += 1
  return slashes % 2 === 1
}

function endOfString(token: string): string {
  if (endsInEscape(token)) return String.raw`\"`
  const unicode = /\\u([0-9a-fA-F]{0,3})$/.exec(token)
  if (unicode === null || endsInEscape(token.slice(0, unicode.index))) return '"'
  return `${'0'.repeat(4 - (unicode[1]?.length ?? 0))}"`
}
