import type { LeafRecord } from '../ledger/leaf.ts';
import { commitmentOf } from '../ledger/payloads.ts';
import type { TextCounts, TextMode } from './format.ts';

/** How many texts that were found to fit are remembered, since equal texts come back often. */
const HELD = 4096;

type Given = Partial<Record<string, unknown>>;

/** What each form of a shown payload has, besides `commitment` and `bytes`. */
const FORMS: Readonly<Record<string, keyof TextCounts>> = {
  'salt text': 'full',
  'base64 salt': 'full',
  masked: 'masked',
};
const ABSENT: Readonly<Record<string, keyof TextCounts>> = {
  erased: 'erased',
  missing: 'missing',
  withheld: 'withheld',
};

/** Checks the payloads shown for leaves, and counts what is shown of them. */
export class ShownPayloads {
  readonly #mode: TextMode;
  readonly #fitting = new Map<string, unknown>();
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

  /** What is wrong with the payloads shown for a leaf; empty where each is what it may be. */
  check(record: LeafRecord, shown: unknown): string[] {
    const committed: LeafRecord['payloads'] = record.payloads ?? {};
    if (typeof shown !== 'object' || shown === null) return ['It has no `payloads`.'];
    const given = shown as Readonly<Record<string, Given>>;
    const problems: string[] = [];
    for (const kind of new Set([...Object.keys(committed), ...Object.keys(given)])) {
      const leaf = Object.hasOwn(committed, kind) ? committed[kind as keyof typeof committed] : undefined;
      const payload = Object.hasOwn(given, kind) ? given[kind] : undefined;
      if (leaf === undefined) problems.push(`It shows a ${kind} that the leaf does not have.`);
      else if (payload === undefined || payload === null) problems.push(`Its ${kind} is left out.`);
      else if (payload.commitment !== leaf.commitment || payload.bytes !== leaf.bytes) {
        problems.push(`The commitment of its ${kind} is not that of the leaf.`);
      } else {
        const problem = this.#checkOne(record, kind, payload, leaf);
        if (problem !== null) problems.push(problem);
      }
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

  #fits(payload: Given, commitment: string, bytes: number): boolean {
    const { salt, text, base64 } = payload;
    const known = this.#fitting.get(commitment);
    if (known !== undefined && known === `${salt} ${text} ${base64}`) return true;
    if (typeof salt !== 'string' || !/^[0-9a-f]{32}$/.test(salt)) return false;
    if (typeof text !== 'string' && typeof base64 !== 'string') return false;
    const data = typeof text === 'string' ? Buffer.from(text, 'utf8') : Buffer.from(String(base64), 'base64');
    if (data.length !== bytes || commitmentOf(Buffer.from(salt, 'hex'), data) !== commitment) return false;
    if (this.#fitting.size >= HELD) this.#fitting.clear();
    this.#fitting.set(commitment, `${salt} ${text} ${base64}`);
    return true;
  }
}

function formOf(payload: Given): keyof TextCounts | null {
  const { commitment: _c, bytes: _b, ...rest } = payload;
  const keys = Object.keys(rest).sort().join(' ');
  if (keys === 'absent')
    return Object.hasOwn(ABSENT, String(rest.absent)) ? (ABSENT[String(rest.absent)] ?? null) : null;
  if (keys === 'masked' && typeof rest.masked !== 'string') return null;
  return FORMS[keys] ?? null;
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
