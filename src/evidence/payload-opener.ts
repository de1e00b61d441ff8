import { isUtf8 } from 'node:buffer';
import { maskStatement } from '../access/statement-mask.ts';
import type { LeafRecord } from '../ledger/leaf.ts';
import type { PayloadStore, StoredPayload } from '../ledger/payloads.ts';
import type { PayloadShown, PayloadsShown, TextMode } from './format.ts';

/** How many opened payloads are kept, since equal texts come back often. */
const HELD = 4096;

/** Opens the payloads that leaves commit to and shows of them what the package is to show. */
export class PayloadOpener {
  readonly #store: PayloadStore;
  readonly #mode: TextMode;
  readonly #held = new Map<string, PayloadShown>();

  constructor(store: PayloadStore, mode: TextMode) {
    this.#store = store;
    this.#mode = mode;
  }

  /** The payloads of one leaf, by kind. */
  show(record: LeafRecord): PayloadsShown {
    const shown: Record<string, PayloadShown> = {};
    for (const [kind, { commitment, bytes }] of Object.entries(record.payloads ?? {})) {
      let payload = this.#held.get(commitment);
      if (payload === undefined) {
        payload = { commitment, bytes, ...this.#open(commitment, kind, record) };
        if (this.#held.size >= HELD) this.#held.clear();
        this.#held.set(commitment, payload);
      }
      shown[kind] = payload;
    }
    return shown;
  }

  #open(commitment: string, kind: string, record: LeafRecord): Shown {
    const stored = this.#store.get(commitment);
    if (stored === null) return { absent: 'missing' };
    if (stored === 'erased') return { absent: 'erased' };
    if (this.#mode === 'full') return full(stored);
    const masked = this.#mode === 'masked' && kind === 'statement' ? mask(stored, record) : null;
    return masked === null ? { absent: 'withheld' } : { masked };
  }
}

type Shown =
  | { readonly salt: string; readonly text: string }
  | { readonly salt: string; readonly base64: string }
  | { readonly masked: string }
  | { readonly absent: 'erased' | 'missing' | 'withheld' };

function full({ data, salt }: StoredPayload): Shown {
  const hex = salt.toString('hex');
  return isUtf8(data)
    ? { salt: hex, text: data.toString('utf8') }
    : { salt: hex, base64: data.toString('base64') };
}

/** A statement has a fingerprint exactly where its parser accepted it. Without the salt, nobody can test a guess at the rest. */
function mask({ data }: StoredPayload, { protocol, fingerprint }: LeafRecord): string | null {
  if (typeof protocol !== 'string' || typeof fingerprint !== 'string' || !isUtf8(data)) return null;
  return maskStatement(protocol, data.toString('utf8'));
}
