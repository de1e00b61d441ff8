/** Slots of a new table; a power of two. */
const SLOTS = 1 << 10;
/** 32-bit words of a slot: four of the id, and the leaf counted from one; zero where the slot is free. */
const WORDS = 5;
const LEAF = 4;
/** Slots are taken up to that share of them. */
const MOST_TAKEN = 0.7;
const ID_LENGTH = 36;
const DASH = 0x2d;
/** Stands for what is no digit: a bit that no four digits set. */
const WRONG = 1 << 16;
/** By character code: the value of a hexadecimal digit in lower case. */
const DIGITS = new Int32Array(0x80).fill(WRONG);
for (let value = 0; value < 16; value++) DIGITS[value.toString(16).charCodeAt(0)] = value;

/** Ids as they go from one thread to another. */
export interface RecordIdsState {
  readonly factors: Int32Array;
  readonly table: Int32Array<ArrayBuffer>;
  readonly slots: number;
  readonly used: number;
  readonly others: ReadonlyMap<string, number>;
}

/**
 * The ids of records, to find one that comes twice. An id is a UUID, kept as its 16 bytes: millions of them take some 30
 * bytes each. Which slot one takes depends on random numbers, so that nobody can choose ids that fall together.
 */
export class RecordIds {
  readonly #factors: Int32Array;
  /** What is no UUID as Postern writes them. */
  readonly #others: Map<string, number>;
  #table: Int32Array<ArrayBuffer>;
  #slots: number;
  #used: number;
  /** What was read last. */
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 0;

  /** Room for so many from the beginning: growing takes time, and the old table is there beside the new one. */
  static for(count: number): RecordIds {
    const ids = new RecordIds();
    while (ids.#slots * MOST_TAKEN < count) ids.#slots *= 2;
    ids.#table = new Int32Array(ids.#slots * WORDS);
    return ids;
  }

  /** @param state of ids that were collected elsewhere; it belongs to this object from now on */
  constructor(state?: RecordIdsState) {
    this.#factors =
      state?.factors ?? crypto.getRandomValues(new Int32Array(LEAF)).map((factor) => factor | 1);
    this.#others = new Map(state?.others);
    this.#table = state?.table ?? new Int32Array(SLOTS * WORDS);
    this.#slots = state?.slots ?? SLOTS;
    this.#used = state?.used ?? 0;
  }

  /** The ids, to be collected on elsewhere; not here any more where the table is transferred. */
  state(): RecordIdsState {
    const [factors, table, slots, used, others] = [
      this.#factors,
      this.#table,
      this.#slots,
      this.#used,
      this.#others,
    ];
    return { factors, table, slots, used, others };
  }

  /** Whether an id is among both. */
  shares(other: RecordIds): boolean {
    for (const id of other.#others.keys()) if (this.#others.has(id)) return true;
    // Ids begin with a time: those of other times need not be looked for.
    const [from, to] = this.#times();
    const table = other.#table;
    for (let at = 0; at < table.length; at += WORDS) {
      const time = timeAt(table, at);
      if (table[at + LEAF] === 0 || time < from || time > to) continue;
      const slot = this.#find(
        table[at] as number,
        table[at + 1] as number,
        table[at + 2] as number,
        table[at + 3] as number,
      );
      if (this.#table[slot + LEAF] !== 0) return true;
    }
    return false;
  }

  #times(): [number, number] {
    let [from, to] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let at = 0; at < this.#table.length; at += WORDS) {
      if (this.#table[at + LEAF] === 0) continue;
      const time = timeAt(this.#table, at);
      if (time < from) from = time;
      if (time > to) to = time;
    }
    return [from, to];
  }

  /** Remembers the id of a leaf. Answers the leaf that had it before, or null. */
  add(id: string, leaf: number): number | null {
    if (id.length === ID_LENGTH && this.read(id, 0)) return this.addRead(leaf);
    const known = this.#others.get(id);
    if (known === undefined) this.#others.set(id, leaf);
    return known ?? null;
  }

  /** Whether there is a UUID at a place of a text; it is kept for {@link addRead}. */
  read(text: string, at: number): boolean {
    const a0 = fourDigits(text, at);
    const a1 = fourDigits(text, at + 4);
    const b0 = fourDigits(text, at + 9);
    const b1 = fourDigits(text, at + 14);
    const c0 = fourDigits(text, at + 19);
    const c1 = fourDigits(text, at + 24);
    const d0 = fourDigits(text, at + 28);
    const d1 = fourDigits(text, at + 32);
    if ((a0 | a1 | b0 | b1 | c0 | c1 | d0 | d1) >= WRONG || !hasDashes(text, at)) return false;
    this.#a = (a0 << 16) | a1;
    this.#b = (b0 << 16) | b1;
    this.#c = (c0 << 16) | c1;
    this.#d = (d0 << 16) | d1;
    return true;
  }

  /** Remembers the UUID that was read last as the id of a leaf. Answers the leaf that had it before, or null. */
  addRead(leaf: number): number | null {
    const table = this.#table;
    const slot = this.#find(this.#a, this.#b, this.#c, this.#d);
    const known = table[slot + LEAF] as number;
    if (known !== 0) return (known >>> 0) - 1;
    table[slot] = this.#a;
    table[slot + 1] = this.#b;
    table[slot + 2] = this.#c;
    table[slot + 3] = this.#d;
    table[slot + LEAF] = leaf + 1;
    this.#used += 1;
    if (this.#used > this.#slots * MOST_TAKEN) this.#grow();
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

/** The first 48 bits of the id in a slot. */
function timeAt(table: Int32Array, slot: number): number {
  return ((table[slot] as number) >>> 0) * 0x10000 + ((table[slot + 1] as number) >>> 16);
}

function hasDashes(text: string, at: number): boolean {
  return (
    text.charCodeAt(at + 8) === DASH &&
    text.charCodeAt(at + 13) === DASH &&
    text.charCodeAt(at + 18) === DASH &&
    text.charCodeAt(at + 23) === DASH
  );
}

/** The value of four hexadecimal digits in lower case; {@link WRONG} where they are none. */
function fourDigits(text: string, at: number): number {
  const [a, b, c, d] = [digit(text, at), digit(text, at + 1), digit(text, at + 2), digit(text, at + 3)];
  return (a | b | c | d) < WRONG ? (a << 12) | (b << 8) | (c << 4) | d : WRONG;
}

function digit(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code < 0x80 ? (DIGITS[code] as number) : WRONG;
}
