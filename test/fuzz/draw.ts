/**
 * Choices read off bytes: the same bytes make the same input, so that a fuzzer that changes or shrinks bytes changes
 * or shrinks the input. After the last byte every choice is the first one, and lists end.
 */
export class Draw {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  byte(): number {
    const byte = this.#bytes[this.#at] ?? 0
    this.#at += 1
    return byte
  }

  /** A whole number from 0 to `count - 1`. */
  below(count: number): number {
    return (count <= 256 ? this.byte() : this.byte() * 256 + this.byte()) % count
  }

  /** True once in `often` times. */
  rarely(often: number): boolean {
    return this.below(often) === often - 1
  }

  pick<T>(choices: readonly T[]): T {
    const choice = choices[this.below(choices.length)]
    if (choice === undefined) throw new Error('nothing to pick from')
    return choice
  }

  /** At most `countMax` elements; each is followed by another one seven times in eight. */
  many<T>(countMax: number, make: () => T): T[] {
    const elements: T[] = []
    while (elements.length < countMax && this.byte() >= 32) elements.push(make())
    return elements
  }

  /** Any text: mostly printable, with what parsers stumble over among it. */
  text(lengthMax: number): string {
    return this.many(lengthMax, () => this.character()).join('')
  }

  character(): string {
    const byte = this.byte()
    if (byte < 0x80) return String.fromCharCode(byte)
    return this.pick(oddCharacters)
  }
}

const oddCharacters = [
  'a',
  '0',
  '%',
  '"',
  '\\',
  '\u0000',
  '\u0085',
  '\u00a0',
  '\u00ff',
  '\u0130',
  '\u017f',
  '\u2028',
  '\u212a',
  '\ufeff',
  '\ufffd',
  '\uff0e',
  '\uff0f',
  '\ud800',
  '\u{1f389}',
]
