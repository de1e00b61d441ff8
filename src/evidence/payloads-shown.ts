import { hash } from 'node:crypto';
import type { LeafRecord } from '../ledger/leaf.ts';
import { commitmentOf } from '../ledger/payload-seal.ts';
import type { TextCounts, TextMode } from './format.ts';

/** Places for texts that were found to fit, since equal texts come back often; as many as three hexadecimal digits name. */
const HELD = 4096;
/** Longer texts are not remembered, so that what is kept stays small. */
const LONGEST_HELD = 4096;
/** Texts of a third of it, or less, are hashed where they are encoded. */
const SCRATCH = 16_384;
const SALT_BYTES = 16;
const SALT = /^[0-9a-f]{32}$/;
const UTF8 = new TextEncoder();

type Given = Partial<Record<string, unknown>>;

interface Fitting {
  readonly commitment: string;
  readonly salt: string;
  readonly text: string;
}

/** Why a text is not there. */
const ABSENT: Readonly<Record<string, keyof TextCounts>> = {
  erased: 'erased',
  missing: 'missing',
  withheld: 'withheld',
};

/** Checks the payloads shown for leaves, and counts what is shown of them. */
export class ShownPayloads {
  readonly #mode: TextMode;
  /** By the first digits of the commitment, which no one can choose. */
  readonly #fitting: (Fitting | undefined)[] = new Array(HELD);
  readonly #scratch: Uint8Array = new Uint8Array(SCRATCH);
  readonly #text: Uint8Array = this.#scratch.subarray(SALT_BYTES);
  readonly #counts = { full: 0, masked: 0, withheld: 0, erased: 0, missing: 0 };
  readonly #erased: (record: LeafRecord, kind: string, commitment: string) => boolean;

  /** @param erased whether the package has a record by which this text of the leaf was erased after it */
  constructor(mode: TextMode, erased: (record: LeafRecord, kind: string, commitment: string) => boolean) {
    this.#mode = mode;
    this.#erased = erased;
  }

  get counts(): TextCounts {
    return this.#counts;
  }

  /** So many were found elsewhere to be shown in full and to fit. */
  fitting(count: number): void {
    this.#counts.full += count;
  }

  /** What is wrong with the payloads shown for a leaf; empty where each is what it may be. */
  check(record: LeafRecord, shown: unknown): string[] {
    const committed: LeafRecord['payloads'] = record.payloads ?? {};
    if (typeof shown !== 'object' || shown === null) return ['It has no `payloads`.'];
    const given = shown as Readonly<Record<string, Given>>;
    const problems: string[] = [];
    for (const kind of Object.keys(given)) {
      const leaf = Object.hasOwn(committed, kind) ? committed[kind as keyof typeof committed] : undefined;
      const payload = given[kind];
      if (leaf === undefined) problems.push(`It shows a ${kind} that the leaf does not have.`);
      else if (payload === undefined || payload === null) problems.push(`Its ${kind} is left out.`);
      else if (payload.commitment !== leaf.commitment || payload.bytes !== leaf.bytes) {
        problems.push(`The commitment of its ${kind} is not that of the leaf.`);
      } else {
        const problem = this.#checkOne(record, kind, payload, leaf);
        if (problem !== null) problems.push(problem);
      }
    }
    for (const kind of Object.keys(committed)) {
      if (!Object.hasOwn(given, kind)) problems.push(`Its ${kind} is left out.`);
    }
    return problems;
  }

  #checkOne(
    record: LeafRecord,
    kind: string,
    payload: Given,
    leaf: { readonly commitment: string; readonly bytes: number },
  ): string | null {
    const form = formOf(payload);
    if (form === null) return `Its ${kind} is shown in no form that there is.`;
    if (!mayBe(form, this.#mode, kind)) {
      return `Its ${kind} is shown otherwise than the manifest says (\`statements\` is "${this.#mode}").`;
    }
    if (form === 'full' && !this.#fits(payload, leaf.commitment, leaf.bytes)) {
      return `The text of its ${kind} is not what was recorded: it does not fit the commitment.`;
    }
    if (form === 'erased' && !this.#erased(record, kind, leaf.commitment)) {
      return `Its ${kind} is said to be erased, but no record after it erases it.`;
    }
    this.#counts[form] += 1;
    return form === 'missing'
      ? `Its ${kind} is missing: the text is neither here nor recorded as erased. The operator has to say where it is.`
      : null;
  }

  #fits({ salt, text, base64 }: Given, commitment: string, bytes: number): boolean {
    const place = placeOf(String(commitment));
    const known = this.#fitting[place];
    if (known?.commitment === commitment && known.salt === salt && known.text === text) return true;
    if (typeof salt !== 'string' || !SALT.test(salt)) return false;
    if (typeof text !== 'string' && typeof base64 !== 'string') return false;
    const data = typeof text === 'string' ? text : Buffer.from(String(base64), 'base64');
    if (this.#commitment(salt, data, bytes) !== commitment) return false;
    if (typeof text === 'string' && text.length <= LONGEST_HELD) {
      this.#fitting[place] = { commitment, salt, text };
    }
    return true;
  }

  /** The commitment of a text with its salt, hex; null where it has not so many bytes. */
  #commitment(salt: string, data: string | Uint8Array, bytes: number): string | null {
    const inScratch = typeof data === 'string' && 3 * data.length <= this.#scratch.length - SALT_BYTES;
    if (!inScratch) {
      const all = typeof data === 'string' ? Buffer.from(data, 'utf8') : data;
      return all.length === bytes ? commitmentOf(Buffer.from(salt, 'hex'), all) : null;
    }
    for (let i = 0; i < SALT_BYTES; i++) {
      this.#scratch[i] = (digit(salt.charCodeAt(2 * i)) << 4) | digit(salt.charCodeAt(2 * i + 1));
    }
    const { written } = UTF8.encodeInto(data, this.#text);
    return written === bytes ? hash('sha256', this.#scratch.subarray(0, SALT_BYTES + bytes), 'hex') : null;
  }
}

function placeOf(commitment: string): number {
  const [a, b, c] = [commitment.charCodeAt(0), commitment.charCodeAt(1), commitment.charCodeAt(2)];
  return ((digit(a) << 8) | (digit(b) << 4) | digit(c)) & (HELD - 1);
}

/** The value of a hexadecimal digit, by the code of its character in lower case. */
function digit(code: number): number {
  return code <= 0x39 ? code - 0x30 : code - 0x57;
}

/** In which form a payload is shown; null where it has not exactly the members of one. */
function formOf(payload: Given): keyof TextCounts | null {
  const { salt, text, base64, masked, absent } = payload;
  // Besides `commitment` and `bytes`, which were compared.
  const members = Object.keys(payload).length - 2;
  if (members === 2 && salt !== undefined && (text === undefined) !== (base64 === undefined)) return 'full';
  if (members !== 1) return null;
  if (typeof masked === 'string') return 'masked';
  return typeof absent === 'string' && Object.hasOwn(ABSENT, absent) ? (ABSENT[absent] ?? null) : null;
}

function mayBe(form: keyof TextCounts, mode: TextMode, kind: string): boolean {
  if (form === 'full') return mode === 'full';
  if (form === 'masked') return mode === 'masked' && kind === 'statement';
  return form === 'withheld' ? mode !== 'full' : true;
}

/** What is to be said of what was shown. */
export function textsSay({ full, masked, withheld, erased }: TextCounts): string {
  const parts = [
    `${full} shown in full and proved`,
    masked === 0
      ? null
      : `${masked} masked (nobody can compute a commitment from a masked text: it is the operator's statement, signed in the manifest)`,
    withheld === 0 ? null : `${withheld} by commitment only`,
    erased === 0 ? null : `${erased} erased, as recorded in the log`,
  ];
  return parts.filter((part) => part !== null).join('; ');
}
