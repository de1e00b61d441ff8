import { commitmentOf } from './payload-seal.ts';
import type { PayloadStore } from './payloads.ts';
import type { Finding } from './verify.ts';

const FILE = 'payloads.db';
/** Equal texts come again and again: so many that were found right are not looked at again. */
const REMEMBERED = 100_000;

/** Compares stored payloads with what the leaves commit to. */
export class PayloadCheck {
  readonly #payloads: PayloadStore;
  readonly #right = new Set<string>();
  /** Id of an erasure's record, and the first leaf whose payload it is said to have erased. */
  readonly #erasures = new Map<string, number>();
  readonly #records = new Set<string>();
  checked = 0;
  erased = 0;

  constructor(payloads: PayloadStore) {
    this.#payloads = payloads;
  }

  /** What is wrong with the payloads of one leaf. */
  look(leaf: number, record: Readonly<Record<string, unknown>>): Finding[] {
    if (record.type === 'payload.erased') this.#records.add(String(record.id));
    const { payloads, principal } = record as {
      readonly payloads?: Record<string, { readonly commitment?: unknown; readonly bytes?: unknown }>;
      readonly principal?: { readonly id?: unknown };
    };
    if (typeof payloads !== 'object' || payloads === null) return [];
    return Object.entries(payloads).flatMap(([kind, { commitment, bytes }]) => {
      const owner = typeof principal?.id === 'string' ? principal.id : '-';
      const key = `${commitment} ${bytes} ${kind} ${owner}`;
      this.checked += 1;
      if (this.#right.has(key)) return [];
      const wrong = this.#wrong(leaf, String(commitment), kind, Number(bytes), owner);
      if (wrong === null && this.#right.size < REMEMBERED) this.#right.add(key);
      const what = `the ${kind} of leaf ${leaf} (record ${String(record.id)})`;
      return wrong === null ? [] : [{ severity: 'error', file: FILE, leaf, message: `${what} ${wrong}` }];
    });
  }

  /** What is wrong once all leaves were looked at: payloads erased without a record of it. */
  end(): Finding[] {
    return [...this.#erasures].flatMap(([record, leaf]) => {
      if (this.#records.has(record)) return [];
      const message = `the payload of leaf ${leaf} was destroyed, and the record that is to say why, ${record}, is not in the log`;
      return [{ severity: 'error', file: FILE, leaf, message }];
    });
  }

  #wrong(leaf: number, commitment: string, kind: string, bytes: number, owner: string): string | null {
    if (!/^[0-9a-f]{64}$/.test(commitment)) return 'has no commitment that could be one';
    try {
      const stored = this.#payloads.get(commitment);
      if (stored === null)
        return `is missing, and no record says that it was erased (commitment ${commitment})`;
      if (stored === 'erased') {
        const by = this.#payloads.erasure(commitment)?.record ?? 'unknown';
        if (!this.#erasures.has(by)) this.#erasures.set(by, leaf);
        this.erased += 1;
        return null;
      }
      const { data, salt } = stored;
      if (commitmentOf(salt, data) !== commitment || data.length !== bytes) {
        return 'is not the text that the leaf commits to';
      }
      return stored.kind === kind && stored.principalId === owner
        ? null
        : `is stored as ${stored.kind} of ${stored.principalId}`;
    } catch (error) {
      return `cannot be read: ${(error as Error).message}`;
    }
  }
}
