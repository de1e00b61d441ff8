/** What Postern signs with keys of its own, and what stands on that: its bearer tokens, delegations, SSH certificates. */
import { DPOP_SECONDS, verifyDpop } from '../core/dpop.ts';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor, RecordBase } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { AccessTokens } from '../identity/access-tokens.ts';
import { Delegations } from '../identity/delegations.ts';
import { NativeForms } from '../identity/native-forms.ts';
import { Replays } from '../identity/replays.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { StateDb } from '../store/store.ts';
import type { SecretBox } from '../vault/secrets.ts';
import { openSshCa, type SshCa } from '../vault/ssh-ca.ts';
import { TokenKeys } from '../vault/token-keys.ts';

/** Keys that Postern signs with, opened. */
export interface OwnKeys {
  readonly tokens: TokenKeys;
  readonly ssh: SshCa;
}

export async function openOwnKeys(db: StateDb, box: SecretBox): Promise<OwnKeys> {
  return { tokens: await TokenKeys.open(db, box), ssh: await openSshCa(db, box) };
}

export interface OwnTokensOptions {
  readonly dataDir: string;
  readonly saltSecret: Buffer;
  readonly db: StateDb;
  readonly changes: ChangeLog;
  readonly keys: OwnKeys;
  /** URL of this Postern, as in `iss`. */
  readonly issuer: () => string;
  /** Writes a record that changes no state, while no change is under way. */
  readonly write: (record: RecordBase) => Promise<void>;
}

/** Ids of keys. */
interface KeyRotation {
  readonly before: string;
  readonly after: string;
}

export class OwnTokens {
  readonly forms: NativeForms;
  readonly access: AccessTokens;
  readonly delegations: Delegations;
  readonly #options: OwnTokensOptions;
  readonly #proofs = new Replays(Date.now());

  constructor(options: OwnTokensOptions) {
    const { dataDir, saltSecret, db, changes, keys, issuer } = options;
    this.#options = options;
    this.forms = new NativeForms({ dataDir, saltSecret, tokenKeys: keys.tokens, sshCa: keys.ssh, issuer });
    this.access = new AccessTokens(db, keys.tokens, issuer);
    this.delegations = new Delegations(db, changes, keys.tokens, issuer);
  }

  /** URL of this Postern, as in `iss`. */
  issuer(): string {
    return this.#options.issuer();
  }

  /** The keys with which its tokens are verified. @see https://www.rfc-editor.org/rfc/rfc7517#section-5 */
  jwks(): { readonly keys: readonly object[] } {
    return this.#options.keys.tokens.jwks(Date.now());
  }

  /** The SSH authority as a line for `TrustedUserCAKeys`. */
  get sshCaLine(): string {
    return this.#options.keys.ssh.publicLine;
  }

  /**
   * The thumbprint of the key that a DPoP proof proves, once.
   *
   * @param path of the request, under the issuer
   * @throws PosternError POSTERN_UNAUTHORIZED
   */
  dpopKey(proof: string, method: string, path: string, accessToken?: string): string {
    const nowMs = Date.now();
    const url = `${this.issuer()}${path}`;
    const result = verifyDpop(proof, {
      method,
      url,
      nowMs,
      ...(accessToken !== undefined && { accessToken }),
    });
    if (!result.ok) throw new PosternError('POSTERN_UNAUTHORIZED', `${upper(result.why)}.`);
    const { jkt, jti, iatMs } = result;
    if (!this.#proofs.first(`${jkt} ${jti}`, iatMs, iatMs + 2 * DPOP_SECONDS * 1000, nowMs))
      throw new PosternError('POSTERN_UNAUTHORIZED', 'The DPoP proof was used already.', 'Make a new one.');
    return jkt;
  }

  /** The next key signs bearer tokens from now on; those of before are good until they end. */
  rotateKey(actor: Actor, reason: string): Promise<KeyRotation> {
    const { changes, write } = this.#options;
    return changes.exclusive(async () => {
      const { tokens } = this.#options.keys;
      const keys = tokens.upcoming();
      const record: RecordBase & { readonly keys: KeyRotation; readonly reason: string } = {
        id: uuidv7(),
        time: rfc3339(nowMicros()),
        type: 'token_key.rotated',
        actor,
        keys,
        reason,
      };
      await write(record);
      await tokens.rotate(Date.now());
      return keys;
    });
  }
}

const upper = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
