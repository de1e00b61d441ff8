import { createHmac, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DataKeys, LEGACY_KEY } from '../core/data-keys.ts';
import { PosternError } from '../core/errors.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { destroyPrivate, ensureDirectory, replacePrivate } from '../store/files.ts';
import {
  type Envelope,
  type KeyringContent,
  makeEnvelope,
  type OpenEnvelope,
  openEnvelope,
  readEnvelopes,
  resealed,
  writeEnvelopes,
} from './keyring-file.ts';
import {
  LocalMasterKey,
  type MasterKey,
  type MasterKeySource,
  makeOwnKey,
  nextKeyFile,
  openMasterKey,
  ownKeyFile,
  readOwnKey,
} from './master-key.ts';
import { SEALED_SETTINGS } from './sealed-setting.ts';
import { keyNumberOf } from './secrets.ts';

/** A master key as it is told of. */
export interface MasterKeyInfo {
  readonly id: string;
  readonly provider: string;
  /** RFC 3339. */
  readonly since: string;
}

/** One master key takes over from another. */
export interface Takeover {
  readonly before: MasterKeyInfo;
  readonly after: MasterKeyInfo;
}

export interface KeyringOptions {
  readonly dataDir: string;
  /** Null: `master.key` of the data directory, made where there is none yet. */
  readonly source?: MasterKeySource | null;
  /** The one before, where the keyring may still be sealed for it. */
  readonly former?: MasterKeySource | null;
}

/**
 * The data keys of a data directory on disk, sealed for the master key: `keyring.json`. Another master key takes over in steps, each
 * of which leaves a directory that starts: `prepare` seals the keys for both, then the change is recorded, then `settle`
 * leaves those for the new one alone. What was prepared when the process ended is settled at the next start.
 */
export class Keyring {
  readonly keys: DataKeys;
  readonly #dataDir: string;
  readonly #made: Map<number, string>;
  #open: OpenEnvelope;
  /** Of the other master key, while one takes over. */
  #takeover: { readonly told: Takeover; readonly next: OpenEnvelope } | null;

  /**
   * Opens the keyring of a data directory; makes it where there is none, and takes over one from before there were any.
   *
   * @throws PosternError POSTERN_INVALID where the master key is missing, malformed, readable by others, or another
   */
  static async open({ dataDir, source = null, former = null }: KeyringOptions): Promise<Keyring> {
    ensureDirectory(dataDir);
    const envelopes = readEnvelopes(dataDir);
    if (envelopes === null) return Keyring.#make(dataDir, source, former);
    const master = source === null ? ownKey(dataDir, envelopes) : await openMasterKey(source);
    const found = envelopes.find(({ masterKey }) => masterKey === master?.id);
    if (master !== null && found !== undefined) {
      const { content, ...open } = await openEnvelope(found, master);
      const other = envelopes.find((envelope) => envelope !== found);
      return new Keyring(dataDir, content, open, other === undefined ? null : { other, next: open });
    }
    const before = await formerKey(dataDir, envelopes, former);
    if (before === null) throw notThatKey(dataDir, envelopes, master);
    const { content, ...open } = await openEnvelope(before.envelope, before.master);
    const keyring = new Keyring(dataDir, content, open, null);
    await keyring.prepare(master);
    return keyring;
  }

  /**
   * The data keys for somebody who only reads; null where the master key is not here.
   *
   * @throws PosternError as `open`
   */
  static async read(dataDir: string, source: MasterKeySource | null): Promise<DataKeys | null> {
    const own = [ownKeyFile(dataDir), nextKeyFile(dataDir)].map(readOwnKey);
    const masters = source === null ? own.filter((key) => key !== null) : [await openMasterKey(source)];
    const envelopes = readEnvelopes(dataDir);
    for (const master of masters) {
      if (envelopes === null && master instanceof LocalMasterKey)
        return DataKeys.from(legacyContent(master.bytes));
      const envelope = envelopes?.find(({ masterKey }) => masterKey === master.id);
      if (envelope !== undefined) return DataKeys.from((await openEnvelope(envelope, master)).content);
    }
    if (masters.length > 0 && envelopes !== null) throw notThatKey(dataDir, envelopes, masters[0] ?? null);
    return null;
  }

  static async #make(
    dataDir: string,
    source: MasterKeySource | null,
    former: MasterKeySource | null,
  ): Promise<Keyring> {
    const stateFile = join(dataDir, 'state.db');
    const inUse = existsSync(stateFile);
    if (inUse && hadKeyring(stateFile)) {
      throw new PosternError(
        'POSTERN_INVALID',
        `The keyring ${join(dataDir, 'keyring.json')} is missing although the data directory is in use.`,
        'Restore it from your backup: without it the stored secrets and payloads cannot be opened.',
      );
    }
    let master = source === null ? readOwnKey(ownKeyFile(dataDir)) : await openMasterKey(source);
    let legacy: MasterKey | null = null;
    if (inUse) {
      legacy = former === null ? null : await openMasterKey(former);
      legacy ??= master instanceof LocalMasterKey ? master : readOwnKey(ownKeyFile(dataDir));
      if (!(legacy instanceof LocalMasterKey)) throw missingKey(dataDir);
    }
    master ??= makeOwnKey(ownKeyFile(dataDir));
    const content = legacy instanceof LocalMasterKey ? legacyContent(legacy.bytes) : freshContent();
    const open = await makeEnvelope(master, content, rfc3339(nowMicros()));
    writeEnvelopes(dataDir, [open.envelope]);
    return new Keyring(dataDir, content, open, null);
  }

  private constructor(
    dataDir: string,
    content: KeyringContent,
    open: OpenEnvelope,
    unsettled: { readonly other: Envelope; readonly next: OpenEnvelope } | null,
  ) {
    this.#dataDir = dataDir;
    this.keys = DataKeys.from(content);
    this.#made = new Map(content.made);
    this.#open = open;
    this.#takeover = unsettled && {
      told: { before: infoOf(unsettled.other), after: infoOf(unsettled.next.envelope) },
      next: unsettled.next,
    };
  }

  /** The master key for which the keys are sealed. */
  get masterKey(): MasterKeyInfo {
    return infoOf(this.#open.envelope);
  }

  /** What was prepared and is not settled. */
  get takeover(): Takeover | null {
    return this.#takeover?.told ?? null;
  }

  /** When a data key was made, RFC 3339; empty where that is not known. */
  madeAt(number: number): string {
    return this.#made.get(number) ?? '';
  }

  /**
   * Seals the keys, and a new data key with them, for another master key beside the present one. Without one, makes one in the
   * data directory. Nothing is sealed under the new data key before `settle`.
   *
   * @throws PosternError POSTERN_CONFLICT where it is the present one, or one takes over already
   */
  async prepare(next: MasterKey | null): Promise<Takeover> {
    if (this.#takeover !== null)
      throw new PosternError('POSTERN_CONFLICT', 'One master key is taking over from another already.');
    const master = next ?? makeOwnKey(nextKeyFile(this.#dataDir));
    const present = this.masterKey;
    if (master.id === present.id) {
      throw new PosternError(
        'POSTERN_CONFLICT',
        `The master key (${present.provider}) is the one of before, ${present.id}.`,
        'Change the key where it is kept, or name another place as masterKey in the configuration file; then ask again.',
      );
    }
    const number = this.keys.make();
    const since = rfc3339(nowMicros());
    this.#made.set(number, since);
    try {
      const content = { ...this.#content(), current: number };
      const sealed = await makeEnvelope(master, content, since);
      writeEnvelopes(this.#dataDir, [resealed(this.#open, content).envelope, sealed.envelope]);
      this.#takeover = { told: { before: present, after: infoOf(sealed.envelope) }, next: sealed };
      return this.#takeover.told;
    } catch (error) {
      this.#forget(number);
      throw error;
    }
  }

  /** Takes back what was prepared. */
  abandon(): void {
    if (this.#takeover === null) return;
    this.#takeover = null;
    this.#forget(Math.max(...this.keys.numbers));
  }

  #forget(number: number): void {
    this.keys.drop([number]);
    this.#made.delete(number);
    writeEnvelopes(this.#dataDir, [resealed(this.#open, this.#content()).envelope]);
    destroyPrivate(nextKeyFile(this.#dataDir));
  }

  /** The new master key is the only one from here on, and the new data key seals. A key of the data directory that it replaces is destroyed. */
  settle(): void {
    if (this.#takeover === null) return;
    const { next, told } = this.#takeover;
    const current = Math.max(...this.keys.numbers);
    if (next.envelope.provider === 'data directory') takeOver(this.#dataDir);
    const settled = resealed(next, { ...this.#content(), current });
    writeEnvelopes(this.#dataDir, [settled.envelope]);
    const own = ownKeyFile(this.#dataDir);
    if (readOwnKey(own)?.id === told.before.id) destroyPrivate(own);
    this.keys.use(current);
    this.#open = settled;
    this.#takeover = null;
  }

  /** Forgets data keys under which nothing is sealed any more. */
  drop(numbers: readonly number[]): void {
    if (numbers.length === 0) return;
    this.keys.drop(numbers);
    for (const number of numbers) this.#made.delete(number);
    this.#open = resealed(this.#open, this.#content());
    writeEnvelopes(this.#dataDir, [this.#open.envelope]);
  }

  #content(): KeyringContent {
    return { ...this.keys.export(), made: this.#made };
  }
}

const infoOf = ({ masterKey, provider, since }: Envelope): MasterKeyInfo => ({
  id: masterKey,
  provider,
  since,
});

function freshContent(): KeyringContent {
  const made = new Map([[1, rfc3339(nowMicros())]]);
  return { current: 1, keys: [[1, randomBytes(32)]], sequencerSeal: randomBytes(32), made };
}

/** Of a directory that is sealed under the master key itself: that becomes a data key, from which all is moved to a fresh one. */
function legacyContent(masterKey: Buffer): KeyringContent {
  const made = new Map([
    [LEGACY_KEY, ''],
    [1, rfc3339(nowMicros())],
  ]);
  const keys = [
    [LEGACY_KEY, masterKey],
    [1, randomBytes(32)],
  ] as const;
  const sequencerSeal = createHmac('sha256', masterKey).update('postern-sequencer-seal').digest();
  return { current: 1, keys, sequencerSeal, made };
}

/** The key in the data directory. One that was prepared comes first: what it opens is what is to be settled. */
function ownKey(dataDir: string, envelopes: readonly Envelope[]): LocalMasterKey | null {
  const next = readOwnKey(nextKeyFile(dataDir));
  if (next !== null && envelopes.some(({ masterKey }) => masterKey === next.id)) return next;
  // Its keyring was never written.
  if (next !== null) destroyPrivate(nextKeyFile(dataDir));
  return readOwnKey(ownKeyFile(dataDir));
}

/** The key for which the keyring is sealed, where it is not the one that is configured. */
async function formerKey(
  dataDir: string,
  envelopes: readonly Envelope[],
  former: MasterKeySource | null,
): Promise<{ readonly master: MasterKey; readonly envelope: Envelope } | null> {
  const master = former === null ? ownKey(dataDir, envelopes) : await openMasterKey(former);
  const envelope = envelopes.find(({ masterKey }) => masterKey === master?.id);
  return master === null || envelope === undefined ? null : { master, envelope };
}

/** Written anew rather than renamed, so that the old key is overwritten where it lies. */
function takeOver(dataDir: string): void {
  const next = readOwnKey(nextKeyFile(dataDir));
  if (next === null) return;
  replacePrivate(ownKeyFile(dataDir), `${next.bytes.toString('base64')}\n`);
  destroyPrivate(nextKeyFile(dataDir));
}

/** Whether what is sealed in the state names a data key, which only a keyring can have had. */
function hadKeyring(stateFile: string): boolean {
  const db = new DatabaseSync(stateFile);
  try {
    const settings = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'settings'").get();
    if (settings === undefined) return false;
    const value = db.prepare('SELECT value FROM settings WHERE name = ?');
    return SEALED_SETTINGS.some((name) => {
      const sealed = value.get(name)?.value;
      return sealed instanceof Uint8Array && (keyNumberOf(sealed) ?? LEGACY_KEY) > LEGACY_KEY;
    });
  } finally {
    db.close();
  }
}

function missingKey(dataDir: string): PosternError {
  return new PosternError(
    'POSTERN_INVALID',
    `The master key ${ownKeyFile(dataDir)} is missing although the data directory is in use.`,
    'Restore it from your backup, or name the old key as formerMasterKey: without it the stored secrets and payloads cannot be opened.',
  );
}

function notThatKey(dataDir: string, envelopes: readonly Envelope[], master: MasterKey | null): PosternError {
  const wanted = envelopes.map(({ masterKey, provider }) => `${masterKey} (${provider})`).join(' or ');
  if (master === null && envelopes.every(({ provider }) => provider === 'data directory'))
    return missingKey(dataDir);
  return new PosternError(
    'POSTERN_INVALID',
    `The keyring is sealed for the master key ${wanted}, not for ${master === null ? 'one in the data directory' : master.id}.`,
    'Give that key as masterKey; to replace it, give the new one as masterKey and the old one as formerMasterKey.',
  );
}
