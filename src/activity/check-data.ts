import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataKeys } from '../core/data-keys.ts';
import { checkJournals } from '../ledger/check-journals.ts';
import { PayloadCheck } from '../ledger/check-payloads.ts';
import { checkSequencer, recoveryFindings } from '../ledger/check-sequencer.ts';
import { PayloadStore } from '../ledger/payloads.ts';
import type { IndexedEntry } from '../ledger/tiles.ts';
import { type Finding, verifyLog } from '../ledger/verify.ts';
import { ActivityIndex } from './activity-index.ts';
import { compareIndex } from './check-index.ts';

/** What is said about a data directory that was gone through. */
export interface DataSummary {
  readonly origin: string;
  /** Leaves under the checkpoint as of which everything was checked. */
  readonly size: number;
  /** Root over them, base64. */
  readonly root: string;
  readonly principals: number;
  /** Payloads that leaves commit to, counted by leaf, and those of them that were erased; null where they were not checked. */
  readonly payloads: { readonly checked: number; readonly erased: number } | null;
  readonly journals: number;
}

export interface DataCheckOptions {
  readonly dataDir: string;
  /** Null leaves the payloads unchecked. */
  readonly keys: DataKeys | null;
  /** Verifier key of the log, from a source the operator does not control; else that of the data directory. */
  readonly vkey?: string | undefined;
  readonly onProgress?: (done: number, total: number) => void;
}

const BATCH = 4096;

/**
 * Goes through a data directory as of the last released checkpoint and yields what is wrong: log, payloads, index and
 * journals. It changes nothing and may run while Postern does.
 *
 * @throws PosternError where there is no checkpoint that the key opens
 */
export function* checkData(options: DataCheckOptions): Generator<Finding, DataSummary> {
  const { dataDir, keys } = options;
  const vkey = options.vkey ?? readFileSync(join(dataDir, 'log', 'log.vkey'), 'utf8');
  const payloadFile = join(dataDir, 'payloads.db');
  const withPayloads = keys !== null && existsSync(payloadFile);
  if (keys !== null && !withPayloads) {
    yield { severity: 'error', file: 'payloads.db', message: 'is missing' };
  }
  const work = mkdtempSync(join(tmpdir(), 'postern-check-'));
  const payloads = withPayloads ? PayloadStore.open(payloadFile, keys) : null;
  try {
    const payloadCheck = payloads && new PayloadCheck(payloads);
    const rebuild = new Rebuild(join(work, 'index.db'));
    const extra: Finding[] = [];
    const log = verifyLog({
      dir: join(dataDir, 'log'),
      vkey,
      onRecord: (leaf, record, entry) => {
        if (payloadCheck) extra.push(...payloadCheck.look(leaf, record));
        extra.push(...recoveryFindings(leaf, record));
        rebuild.take(leaf, entry);
      },
      ...(options.onProgress && { onProgress: options.onProgress }),
    });
    let next = log.next();
    for (; !next.done; next = log.next()) {
      yield* extra.splice(0);
      yield { ...next.value, file: `log/${next.value.file}` };
    }
    yield* extra;
    if (payloadCheck) yield* payloadCheck.end();
    const { origin, size, root, principals } = next.value;
    yield* checkIndex(dataDir, rebuild.end(), join(work, 'index.db'), size);
    yield* checkSequencer(dataDir, size, principals);
    const journals = yield* checkJournals(join(dataDir, 'journal'));
    return {
      origin,
      size,
      root: root.toString('base64'),
      principals: principals.size,
      payloads: payloadCheck && { checked: payloadCheck.checked, erased: payloadCheck.erased },
      journals,
    };
  } finally {
    payloads?.close();
    rmSync(work, { recursive: true });
  }
}

function* checkIndex(dataDir: string, has: number, rebuilt: string, size: number): Generator<Finding, void> {
  const file = join(dataDir, 'index.db');
  if (!existsSync(file)) {
    yield { severity: 'error', file: 'index.db', message: 'is missing' };
  } else if (has < size) {
    const message = `was compared up to leaf ${has} only: what follows cannot be read`;
    yield { severity: 'info', file: 'index.db', message };
    yield* compareIndex(file, rebuilt, has);
  } else {
    yield* compareIndex(file, rebuilt, size);
  }
}

/** An index made from the leaves that are looked at, as far as they are without a gap. */
class Rebuild {
  readonly #index: ActivityIndex;
  #leaves: IndexedEntry[] = [];
  #next = 0;

  constructor(file: string) {
    this.#index = ActivityIndex.open(file);
  }

  take(leaf: number, entry: Buffer): void {
    if (leaf !== this.#next) return;
    this.#next += 1;
    this.#leaves.push({ index: leaf, entry });
    if (this.#leaves.length === BATCH) this.#flush();
  }

  /** Number of leaves that it has. */
  end(): number {
    this.#flush();
    const size = this.#index.indexedSize();
    this.#index.close();
    return size;
  }

  #flush(): void {
    try {
      this.#index.consume(this.#leaves);
    } catch {
      // A record in a shape that no writer gives it: what comes before it is compared, and it is said so.
      this.#next = Number.NaN;
    }
    this.#leaves = [];
  }
}
