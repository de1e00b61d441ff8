/**
 * The keys with which Postern signs its own bearer tokens: ECDSA P-256, sealed in the settings. There are always two at
 * least: one that signs, and the next, which is published before it signs, so that whoever keeps the key set for a while
 * knows it already. One that signed before stays published until nothing that it signed is valid any more.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7517#section-5
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import type { TokenKey } from '../core/jws.ts';
import { jwkThumbprint, signJws } from '../core/sign-jws.ts';
import type { StateDb } from '../store/store.ts';
import type { SecretBox } from './secrets.ts';

const NAME = 'token_keys';
/** How long a key is published after it signed last, in milliseconds: longer than any token lives. */
const OVERLAP_MS = 2 * 3_600_000;

/** As it is sealed. */
interface StoredKey {
  readonly jwk: JsonWebKey;
  /** When it signed last, milliseconds; null for the one that signs, and the next. */
  readonly retiredAt: number | null;
}

interface Held {
  readonly kid: string;
  readonly stored: StoredKey;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export class TokenKeys {
  readonly #db: StateDb;
  readonly #box: SecretBox;
  /** The one that signs, the next, and those of before. */
  #held: readonly Held[];

  private constructor(db: StateDb, box: SecretBox, stored: readonly StoredKey[]) {
    this.#db = db;
    this.#box = box;
    this.#held = stored.map(held);
  }

  /** Those of the installation; made if there are none. @throws PosternError POSTERN_INTERNAL when they cannot be opened */
  static async open(db: StateDb, box: SecretBox): Promise<TokenKeys> {
    const row = await db.selectFrom('settings').select('value').where('name', '=', NAME).executeTakeFirst();
    if (row) {
      const text = box.open(row.value, `setting:${NAME}`).toString('utf8');
      return new TokenKeys(db, box, JSON.parse(text) as StoredKey[]);
    }
    const keys = new TokenKeys(db, box, [newKey(), newKey()]);
    await keys.#store(keys.#held);
    return keys;
  }

  /** The key set as it is published. */
  jwks(nowMs: number): { readonly keys: readonly object[] } {
    return {
      keys: this.#published(nowMs).map(({ kid, publicKey }) => ({
        ...publicKey.export({ format: 'jwk' }),
        kid,
        alg: 'ES256',
        use: 'sig',
      })),
    };
  }

  /** Keys with which tokens of Postern's own are verified. */
  verifiers(nowMs: number): TokenKey[] {
    return this.#published(nowMs).map(({ kid, publicKey }) => ({ kid, alg: 'ES256', key: publicKey }));
  }

  /** @param typ what the token is, so that one kind is never taken for another (RFC 8725, 3.11) */
  sign(typ: string, claims: object): string {
    const { kid, privateKey } = this.#held[0] as Held;
    return signJws({ typ, kid }, claims, privateKey);
  }

  /** Ids of the key that signs, and of the one that will. */
  upcoming(): { readonly before: string; readonly after: string } {
    const [current, next] = this.#held as [Held, Held];
    return { before: current.kid, after: next.kid };
  }

  /** The next key signs from now on. Only when no change is under way. */
  async rotate(nowMs: number): Promise<void> {
    const [current, next, ...earlier] = this.#held as [Held, Held, ...Held[]];
    const retired = { ...current, stored: { ...current.stored, retiredAt: nowMs } };
    const kept = earlier.filter((each) => published(each, nowMs));
    const after = [next, held(newKey()), retired, ...kept];
    await this.#store(after);
    this.#held = after;
  }

  #published(nowMs: number): readonly Held[] {
    return this.#held.filter((each) => published(each, nowMs));
  }

  async #store(keys: readonly Held[]): Promise<void> {
    const text = JSON.stringify(keys.map(({ stored }) => stored));
    const value = this.#box.seal(Buffer.from(text), `setting:${NAME}`);
    const put = this.#db.insertInto('settings').values({ name: NAME, value });
    await put.onConflict((c) => c.column('name').doUpdateSet({ value })).execute();
  }
}

const published = ({ stored }: Held, nowMs: number): boolean =>
  stored.retiredAt === null || nowMs < stored.retiredAt + OVERLAP_MS;

function newKey(): StoredKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { jwk: privateKey.export({ format: 'jwk' }), retiredAt: null };
}

function held(stored: StoredKey): Held {
  const privateKey = createPrivateKey({ key: stored.jwk, format: 'jwk' });
  const kid = jwkThumbprint(stored.jwk as Readonly<Record<string, unknown>>) ?? '';
  return { kid, stored, privateKey, publicKey: createPublicKey(privateKey) };
}
