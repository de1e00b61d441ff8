import { PosternError } from '../core/errors.ts';
import type { Actor } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { Credential } from '../store/entities.ts';
import {
  type CredentialFilter,
  findCredential,
  found,
  listCredentials,
  type Page,
} from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { checkReason, checkTtl } from './input.ts';
import type { Form, Made, NativeForms } from './native-forms.ts';
import { issuedCredential, newCredential, revokedCredential } from './new-credential.ts';

export const CREDENTIAL_TTL_DEFAULT = 3600;
export const CREDENTIAL_TTL_MAX = 86_400;

export interface NewCredential {
  readonly principal: string;
  readonly grant?: string | undefined;
  readonly ttlSeconds?: number | undefined;
}

export interface NewCertificate extends NewCredential {
  /** Certification request, PEM: the private key stays with the client. */
  readonly csr: string;
}

export interface IssuedCertificate {
  readonly credential: Credential;
  readonly username: string;
  /** The certificate, PEM. */
  readonly certificate: string;
}

export interface IssuedCredential {
  readonly credential: Credential;
  readonly username: string;
  /** Shown once: only the SCRAM verifier is kept. */
  readonly password: string;
}

/** Short-lived passwords, of which the store keeps the SCRAM verifier alone, and short-lived client certificates. */
export class Credentials {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #forms: NativeForms;

  constructor(db: StateDb, changes: ChangeLog, forms: NativeForms) {
    this.#db = db;
    this.#changes = changes;
    this.#forms = forms;
  }

  /**
   * Issues a password that ends by itself, and no later than the grant it is bound to or its principal.
   *
   * @param input ttlSeconds at most 24 hours, default one hour
   * @throws PosternError POSTERN_PRINCIPAL_INACTIVE; POSTERN_GRANT_MISSING, _EXPIRED or _REVOKED for the grant named
   */
  async issue(actor: Actor, input: NewCredential): Promise<IssuedCredential> {
    const { credential, text } = await this.#issue(actor, input, { kind: 'password' });
    return { credential, username: credential.principal.name, password: text };
  }

  /**
   * Issues a client certificate for the key of a request. It ends as a password would, and can be revoked like one.
   *
   * @throws PosternError as `issue`, and POSTERN_INVALID for a request that is not taken
   */
  async issueCertificate(actor: Actor, input: NewCertificate): Promise<IssuedCertificate> {
    const { credential, text } = await this.#issue(actor, input, { kind: 'certificate', csr: input.csr });
    return { credential, username: credential.principal.name, certificate: text };
  }

  /** @throws PosternError POSTERN_NOT_FOUND */
  async get(id: string): Promise<Credential> {
    return found(await findCredential(this.#db, id), 'credential', id);
  }

  list(filter: Omit<CredentialFilter, 'at'>, page: Page): Promise<Credential[]> {
    return listCredentials(this.#db, { ...filter, at: rfc3339(nowMicros()) }, page);
  }

  /** @throws PosternError POSTERN_CONFLICT when it is revoked already */
  revoke(actor: Actor, id: string, reason: string): Promise<Credential> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = found(await findCredential(db, id), 'credential', id);
      if (before.status === 'revoked') {
        throw new PosternError('POSTERN_CONFLICT', `The credential ${id} is revoked already.`);
      }
      const change = revokedCredential(before, rfc3339(nowMicros()), why);
      return { changes: [change], result: change.after as Credential };
    });
  }

  async #issue(actor: Actor, input: NewCredential, form: Form): Promise<Made> {
    const ttlSeconds = ttlOf(input);
    return this.#changes.run(actor, async (db) => {
      const { principal, grant } = input;
      const plain = await newCredential(db, {
        ...{ principal, grant, ttlSeconds, kind: form.kind },
        ...(actor.kind === 'person' && { issuedBy: actor.id }),
      });
      const made = await this.#forms.make(db, plain, form);
      const { credential, secrets } = made;
      return { changes: [issuedCredential(credential)], ...(secrets && { secrets }), result: made };
    });
  }
}

const ttlOf = (input: NewCredential): number =>
  checkTtl(input.ttlSeconds ?? CREDENTIAL_TTL_DEFAULT, CREDENTIAL_TTL_MAX, 'credential');
