import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor, VaultKeyRotated } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { checkReason } from '../identity/input.ts';
import { SYSTEM } from '../identity/persons.ts';
import { PayloadRewrap } from '../ledger/payload-rewrap.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { StateDb } from '../store/store.ts';
import type { Keyring, MasterKeyInfo, Takeover } from '../vault/keyring.ts';
import type { MasterKey } from '../vault/master-key.ts';
import { resealAll, sealedCounts } from '../vault/reseal.ts';
import { SecretBox } from '../vault/secrets.ts';

export interface VaultOptions {
  readonly dataDir: string;
  readonly keyring: Keyring;
  readonly db: StateDb;
  readonly changes: ChangeLog;
  /** Writes a record, durably. Called while no change is under way. */
  readonly write: (record: VaultKeyRotated) => Promise<void>;
  /** The master key as it is provided now; null where it is Postern's to make. */
  readonly nextMasterKey: () => Promise<MasterKey | null>;
  /** Has every thread take the data keys as they are; resolves when none uses others. */
  readonly keysChanged: () => Promise<void>;
  /** Told of what goes on where nobody asked; null where it works again. */
  readonly onFault: (error: unknown) => void;
}

export interface VaultStatus {
  readonly masterKey: MasterKeyInfo;
  readonly dataKeys: readonly {
    readonly number: number;
    /** RFC 3339; null for the key of before there was a keyring. */
    readonly made: string | null;
    readonly current: boolean;
    /** Upstream passwords and keys of this installation that it seals. */
    readonly secrets: number;
    /** Keys of recorded texts, one per principal, day and kind, that it wraps. */
    readonly textKeys: number;
  }[];
  /** Sealed values of a form or key that is not known: they cannot be opened. */
  readonly unknown: number;
  /** Whether what older keys sealed is being sealed anew. */
  readonly resealing: boolean;
}

/** Keys of texts that are wrapped anew in one transaction, and the pause after it, in which others write. */
const CHUNK = 200;
const PAUSE_MS = 5;
const RETRY_MS = 60_000;

/** Changes the master key while everything runs, and has what older keys sealed sealed anew. */
export class Vault {
  readonly #options: VaultOptions;
  readonly #box: SecretBox;
  readonly #stop = new AbortController();
  #resealing: Promise<void> | null = null;

  constructor(options: VaultOptions) {
    this.#options = options;
    this.#box = new SecretBox(options.keyring.keys);
  }

  /** Finishes a change of the master key in which the last process ended. Before anything else changes. */
  async recover(): Promise<void> {
    const { keyring } = this.#options;
    if (keyring.takeover === null) return;
    const reason = 'the keyring was sealed for another master key when Postern started';
    await this.#finish(SYSTEM, keyring.takeover, reason);
  }

  /** Begins to seal anew what older keys sealed. */
  start(): void {
    this.#reseal();
  }

  /**
   * Replaces the master key, and the data key with it. When it returns, the old master key opens nothing that is written from then
   * on; what was sealed before is sealed anew in the background.
   *
   * @throws PosternError POSTERN_CONFLICT where the master key is provided and is still the same; POSTERN_INVALID where it cannot
   * be had; POSTERN_AUDIT_UNAVAILABLE where the change cannot be recorded: then nothing has changed
   */
  async rotate(actor: Actor, reason: string): Promise<Takeover> {
    const why = checkReason(reason);
    const { keyring, changes, nextMasterKey } = this.#options;
    await this.#resealing;
    const next = await nextMasterKey();
    const told = await changes.exclusive(async () => {
      const takeover = await keyring.prepare(next);
      try {
        await this.#finish(actor, takeover, why);
      } catch (error) {
        keyring.abandon();
        throw error;
      }
      return takeover;
    });
    this.#reseal();
    return told;
  }

  async status(): Promise<VaultStatus> {
    const { keyring, db } = this.#options;
    const { keys } = keyring;
    const secrets = await sealedCounts(db);
    const payloads = this.#payloads();
    try {
      const texts = payloads.counts();
      const known = new Set(keys.numbers);
      const unknown = [...secrets, ...texts].filter(([number]) => !known.has(number));
      return {
        masterKey: keyring.masterKey,
        dataKeys: keys.numbers.map((number) => ({
          number,
          made: keyring.madeAt(number) || null,
          current: number === keys.current,
          secrets: secrets.get(number) ?? 0,
          textKeys: texts.get(number) ?? 0,
        })),
        unknown: unknown.reduce((sum, [, count]) => sum + count, 0),
        resealing: this.#resealing !== null,
      };
    } finally {
      payloads.close();
    }
  }

  /** Resolves when what older keys sealed is sealed anew, or that has failed. */
  async resealed(): Promise<void> {
    await this.#resealing;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#resealing;
  }

  async #finish(actor: Actor, { before, after }: Takeover, reason: string): Promise<void> {
    const { keyring, write } = this.#options;
    await write({
      id: uuidv7(),
      time: rfc3339(nowMicros()),
      type: 'vault.key.rotated',
      actor,
      masterKey: {
        before: { id: before.id, provider: before.provider },
        after: { id: after.id, provider: after.provider },
      },
      dataKey: Math.max(...keyring.keys.numbers),
      reason,
    });
    keyring.settle();
  }

  #payloads(): PayloadRewrap {
    return PayloadRewrap.open(join(this.#options.dataDir, 'payloads.db'), this.#options.keyring.keys);
  }

  #reseal(): void {
    this.#resealing ??= this.#resealAll()
      .catch((error: unknown) => {
        if (this.#stop.signal.aborted) return;
        this.#options.onFault(error);
        setTimeout(() => this.#reseal(), RETRY_MS).unref();
      })
      .finally(() => {
        this.#resealing = null;
      });
  }

  async #resealAll(): Promise<void> {
    const { keyring, db, changes, keysChanged } = this.#options;
    const { keys } = keyring;
    const older = keys.numbers.filter((number) => number !== keys.current);
    // A thread that is told now may have been started with the keys of before.
    await keysChanged();
    if (older.length === 0) return;
    let failed = await changes.exclusive(() => resealAll(db, this.#box));
    const payloads = this.#payloads();
    try {
      for (let after: number | null = 0; after !== null; ) {
        if (this.#stop.signal.aborted) return;
        const step = payloads.step(after, CHUNK);
        failed += step.failed;
        after = step.after;
        await sleep(PAUSE_MS);
      }
      payloads.tidy();
    } finally {
      payloads.close();
    }
    if (failed > 0) {
      const what = `${failed} sealed values cannot be opened, so the data keys ${older.join(', ')} are kept`;
      throw new PosternError(
        'POSTERN_INTERNAL',
        `${what}.`,
        'Look for what was changed: postern ledger check',
      );
    }
    keyring.drop(older);
    await keysChanged();
  }
}
