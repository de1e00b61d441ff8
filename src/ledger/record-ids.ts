/** Slots of a new table; a power of two. */
const SLOTS = 1 << 10;
/** 32-bit words of a slot: four of the id, and the leaf counted from one; zero where the slot is free. */
const WORDS = 5;
const LEAF = 4;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * The ids of records, to find one that comes twice. An id is a UUID, kept as its 16 bytes: millions of them take some 30
 * bytes each. Which slot one takes depends on random numbers, so that nobody can choose ids that fall together.
 */
export class RecordIds {
  readonly #factors: Int32Array = crypto.getRandomValues(new Int32Array(LEAF)).map((factor) => factor | 1);
  /** What is no UUID as Postern writes them. */
  readonly #others = new Map<string, number>();
  #table = new Int32Array(SLOTS * WORDS);
  #slots = SLOTS;
  #used = 0;

  /** Remembers the id of a leaf. Answers the leaf that had it before, or null. */
  add(id: string, leaf: number): number | null {
    if (!UUID.test(id)) {
      const known = this.#others.get(id);
      if (known === undefined) this.#others.set(id, leaf);
      return known ?? null;
    }
    const a = fourDigits(id, 0, 1) | fourDigits(id, 4, 0);
    const b = fourDigits(id, 9, 1) | fourDigits(id, 14, 0);
    const c = fourDigits(id, 19, 1) | fourDigits(id, 24, 0);
    const d = fourDigits(id, 28, 1) | fourDigits(id, 32, 0);
    const table = this.#table;
    const slot = this.#find(a, b, c, d);
    const known = table[slot + LEAF] as number;
    if (known !== 0) return (known >>> 0) - 1;
    table[slot] = a;
    table[slot + 1] = b;
    table[slot + 2] = c;
    table[slot + 3] = d;
    table[slot + LEAF] = leaf + 1;
    this.#used += 1;
    if (this.#used > this.#slots * 0.7) this.#grow();
    return null;
  }

  /** Where the slot begins that has the id of the four words, or the free one for it. */
  #find(a: number, b: number, c: number, d: number): number {
    const table = this.#table;
    const [f0, f1, f2, f3] = [this.#factors[0], this.#factors[1], this.#factors[2], this.#factors[3]];
    const sum =
      Math.imul(a, f0 as number) +
      Math.imul(b, f1 as number) +
      Math.imul(c, f2 as number) +
      Math.imul(d, f3 as number);
    // The upper bits: the lower ones are of the lower bits of the id alone.
    let n = (sum >>> 0) >>> (Math.clz32(this.#slots) + 1);
    for (;;) {
      const slot = n * WORDS;
      if (table[slot + LEAF] === 0) return slot;
      if (table[slot] === a && table[slot + 1] === b && table[slot + 2] === c && table[slot + 3] === d) {
        return slot;
      }
      n = (n + 1) & (this.#slots - 1);
    }
  }

  #grow(): void {
    const old = this.#table;
    this.#slots *= 2;
    this.#table = new Int32Array(this.#slots * WORDS);
    for (let at = 0; at < old.length; at += WORDS) {
      if (old[at + LEAF] === 0) continue;
      const slot = this.#find(
        old[at] as number,
        old[at + 1] as number,
        old[at + 2] as number,
        old[at + 3] as number,
      );
      for (let i = 0; i < WORDS; i++) this.#table[slot + i] = old[at + i] as number;
    }
  }
}

/** Four hexadecimal digits in lower case, in the upper half of a word (1) or the lower (0). */
function fourDigits(text: string, at: number, half: 0 | 1): number {
  const value =
    (digit(text, at) << 12) | (digit(text, at + 1) << 8) | (digit(text, at + 2) << 4) | digit(text, at + 3);
  return value << (16 * half);
}

function digit(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code <= 0x39 ? code - 0x30 : code - 0x57;
}
