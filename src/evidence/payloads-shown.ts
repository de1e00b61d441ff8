import { isUtf8 } from 'node:buffer';
import type { LeafRecord } from '../ledger/leaf.ts';
import { commitmentOf, type PayloadStore } from '../ledger/payloads.ts';
import type { PayloadShown, PayloadsShown } from './format.ts';

/** How many opened payloads are kept, since equal texts come back often. */
const HELD = 4096;

/** Opens the payloads that leaves commit to, so that an examiner can read them and check the commitments. */
export class PayloadOpener {
  readonly #store: PayloadStore;
  readonly #held = new Map<string, PayloadShown>();

  constructor(store: PayloadStore) {
    this.#store = store;
  }

  /** The payloads of one leaf, by kind. */
  show(record: LeafRecord): PayloadsShown {
    const shown: Record<string, PayloadShown> = {};
    for (const [kind, { commitment, bytes }] of Object.entries(record.payloads ?? {})) {
      let payload = this.#held.get(commitment);
      if (payload === undefined) {
        payload = this.#open(commitment, bytes);
        if (this.#held.size >= HELD) this.#held.clear();
        this.#held.set(commitment, payload);
      }
      shown[kind] = payload;
    }
    return shown;
  }

  #open(commitment: string, bytes: number): PayloadShown {
    const stored = this.#store.get(commitment);
    if (stored === null || stored === 'erased') {
      return { commitment, bytes, absent: stored === null ? 'missing' : 'erased' };
    }
    const base = { commitment, bytes, salt: stored.salt.toString('hex') };
    return isUtf8(stored.data)
      ? { ...base, text: stored.data.toString('utf8') }
      : { ...base, base64: stored.data.toString('base64') };
  }
}

/** What is wrong with the payloads shown for a leaf; empty where each fits its commitment. */
export function checkPayloads(record: LeafRecord, shown: unknown): string[] {
  const committed = record.payloads ?? {};
  if (typeof shown !== 'object' || shown === null) return ['It has no `payloads`.'];
  const given = shown as Readonly<Record<string, Partial<Record<string, unknown>>>>;
  const problems: string[] = [];
  for (const kind of new Set([...Object.keys(committed), ...Object.keys(given)])) {
    const leaf = Object.hasOwn(committed, kind) ? committed[kind as keyof typeof committed] : undefined;
    const payload = Object.hasOwn(given, kind) ? given[kind] : undefined;
    if (leaf === undefined) problems.push(`It shows a ${kind} that the leaf does not have.`);
    else if (payload === undefined || payload === null) problems.push(`Its ${kind} is left out.`);
    else if (payload.commitment !== leaf.commitment || payload.bytes !== leaf.bytes) {
      problems.push(`The commitment of its ${kind} is not that of the leaf.`);
    } else if (!isAbsent(payload) && !fits(payload, leaf.commitment, leaf.bytes)) {
      problems.push(`The text of its ${kind} is not what was recorded: it does not fit the commitment.`);
    }
  }
  return problems;
}

function isAbsent(payload: Partial<Record<string, unknown>>): boolean {
  const { absent, text, base64 } = payload;
  return (absent === 'erased' || absent === 'missing') && text === undefined && base64 === undefined;
}

function fits(payload: Partial<Record<string, unknown>>, commitment: string, bytes: number): boolean {
  const { salt, text, base64 } = payload;
  if (typeof salt !== 'string' || !/^[0-9a-f]{32}$/.test(salt)) return false;
  if ((typeof text === 'string') === (typeof base64 === 'string')) return false;
  const data = typeof text === 'string' ? Buffer.from(text, 'utf8') : Buffer.from(String(base64), 'base64');
  return data.length === bytes && commitmentOf(Buffer.from(salt, 'hex'), data) === commitment;
}
