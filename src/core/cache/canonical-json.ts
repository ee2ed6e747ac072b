const depthMax = 200
const space = /[ \t\n\r]*/y
const stringForm = /"(?:[^"\\]|\\.)*"/y
const numberForm = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const literalForm = /true|false|null/y

/** Members of the outermost object in their canonical form, by name. */
export type CanonicalMembers = ReadonlyMap<string, string>

class Unreadable extends Error {}

/** Reads JSON (RFC 8259) and writes each value in the one form that stands for it. */
class Canonicaliser {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  outermost(): CanonicalMembers {
    const members = this.#members(0)
    this.#take(space)
    if (this.#at < this.#text.length) throw new Unreadable()
    return members
  }

  #take(form: RegExp): string | null {
    form.lastIndex = this.#at
    const found = form.exec(this.#text)
    if (found === null) return null
    this.#at = form.lastIndex
    return found[0]
  }

  #next(character: string): boolean {
    this.#take(space)
    if (this.#text[this.#at] !== character) return false
    this.#at += 1
    return true
  }

  #expect(character: string): void {
    if (!this.#next(character)) throw new Unreadable()
  }

  #value(depth: number): string {
    if (depth > depthMax) throw new Unreadable()
    this.#take(space)
    const first = this.#text[this.#at]
    if (first === '{') return written(this.#members(depth))
    if (first === '[') return `[${this.#elements(depth).join(',')}]`
    if (first === '"') return this.#string()
    // Numbers keep their digits: two that a double cannot tell apart are two.
    const plain = this.#take(numberForm) ?? this.#take(literalForm)
    if (plain === null) throw new Unreadable()
    return plain
  }

  #string(): string {
    const raw = this.#take(stringForm)
    if (raw === null) throw new Unreadable()
    try {
      return JSON.stringify(JSON.parse(raw) as string)
    } catch {
      throw new Unreadable()
    }
  }

  #elements(depth: number): readonly string[] {
    this.#expect('[')
    const elements: string[] = []
    if (this.#next(']')) return elements
    do elements.push(this.#value(depth + 1))
    while (this.#next(','))
    this.#expect(']')
    return elements
  }

  #members(depth: number): CanonicalMembers {
    this.#expect('{')
    const members = new Map<string, string>()
    if (this.#next('}')) return members
    do {
      this.#take(space)
      const name = JSON.parse(this.#string()) as string
      this.#expect(':')
      // Readers differ in which of two they take.
      if (members.has(name)) throw new Unreadable()
      members.set(name, this.#value(depth + 1))
    } while (this.#next(','))
    this.#expect('}')
    return members
  }
}

/**
 * The members of a JSON object, each in canonical form: without insignificant space, names in order, strings escaped in
 * one way, numbers digit for digit.
 * @returns null for what is no JSON object, names a member twice, or is nested too deeply
 */
export function canonicalMembers(text: string): CanonicalMembers | null {
  try {
    return new Canonicaliser(text).outermost()
  } catch (error) {
    if (error instanceof Unreadable) return null
    throw error
  }
}

/** The canonical text of an object: equal for two objects only if they are the same value. */
export function written(members: CanonicalMembers): string {
  const names = [...members.keys()].toSorted()
  return `{${names.map((name) => `${JSON.stringify(name)}:${members.get(name)}`).join(',')}}`
}
