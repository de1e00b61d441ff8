import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { newPassword, scramKeys, scramSalt } from '../core/scram.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { SCRAM_ITERATIONS } from '../core/views.ts';
import type { Change, ChangeLog } from '../store/changes.ts';
import type { Credential } from '../store/entities.ts';
import {
  type CredentialFilter,
  findCredential,
  findGrant,
  findPrincipal,
  found,
  listCredentials,
  type Page,
} from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { issueClientCertificate } from '../vault/client-certificates.ts';
import { atMillis, checkReason, checkTtl } from './input.ts';

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
  readonly #dataDir: string;
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #saltSecret: Buffer;

  constructor(dataDir: string, db: StateDb, changes: ChangeLog, saltSecret: Buffer) {
    this.#dataDir = dataDir;
    this.#db = db;
    this.#changes = changes;
    this.#saltSecret = saltSecret;
  }

  /**
   * Issues a password that ends by itself, and no later than the grant it is bound to or its principal.
   *
   * @param input ttlSeconds at most 24 hours, default one hour
   * @throws PosternError POSTERN_PRINCIPAL_INACTIVE; POSTERN_GRANT_MISSING, _EXPIRED or _REVOKED for the grant named
   */
  issue(actor: Actor, input: NewCredential): Promise<IssuedCredential> {
    const ttl = ttlOf(input);
    return this.#changes.run(actor, async (db) => {
      const after = await newCredential(db, input, ttl, 'password');
      const password = newPassword();
      const salt = scramSalt(this.#saltSecret, after.principal.name);
      const keys = await scramKeys(password, salt, SCRAM_ITERATIONS);
      return {
        changes: [issued(after)],
        secrets: async (tx) => {
          await tx
            .insertInto('credential_verifiers')
            .values({ credential_id: after.id, stored_key: keys.storedKey, server_key: keys.serverKey })
            .execute();
        },
        result: { credential: after, username: after.principal.name, password },
      };
    });
  }

  /**
   * Issues a client certificate for the key of a request. It ends as a password would, and can be revoked like one.
   *
   * @throws PosternError as `issue`, and POSTERN_INVALID for a request that is not taken
   */
  issueCertificate(actor: Actor, input: NewCertificate): Promise<IssuedCertificate> {
    const ttl = ttlOf(input);
    return this.#changes.run(actor, async (db) => {
      const plain = await newCredential(db, input, ttl, 'certificate');
      const { pem, sha256 } = await issueClientCertificate(this.#dataDir, {
        csr: input.csr,
        principal: plain.principal.name,
        id: plain.id,
        notAfter: Date.parse(plain.expiresAt),
      });
      const after: Credential = { ...plain, certificateSha256: sha256 };
      return {
        changes: [issued(after)],
        result: { credential: after, username: after.principal.name, certificate: pem },
      };
    });
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
}

const ttlOf = (input: NewCredential): number =>
  checkTtl(input.ttlSeconds ?? CREDENTIAL_TTL_DEFAULT, CREDENTIAL_TTL_MAX, 'credential');

/** A credential that begins now, and ends no later than its principal and its grant. */
async function newCredential(
  db: StateDb,
  input: NewCredential,
  ttlSeconds: number,
  kind: Credential['kind'],
): Promise<Credential> {
  const principal = found(await findPrincipal(db, input.principal), 'principal', input.principal);
  const now = Date.now();
  let end = now + ttlSeconds * 1000;
  if (principal.status !== 'active') {
    throw new PosternError('POSTERN_PRINCIPAL_INACTIVE', `${principal.name} is ${principal.status}.`);
  }
  if (principal.expiresAt !== null) end = Math.min(end, Date.parse(principal.expiresAt));
  if (input.grant !== undefined) end = Math.min(end, await grantEnd(db, input.grant, principal.id, now));
  if (end <= now) throw new PosternError('POSTERN_PRINCIPAL_INACTIVE', `${principal.name} has expired.`);
  return {
    id: uuidv7(),
    principal: { id: principal.id, name: principal.name },
    grant: input.grant ?? null,
    kind,
    certificateSha256: null,
    expiresAt: atMillis(end),
    status: 'active',
    endReason: null,
    endedAt: null,
    createdAt: atMillis(now),
  };
}

const issued = (after: Credential): Change => ({
  type: 'credential.issued',
  entity: 'credential',
  before: null,
  after,
  principal: after.principal,
});

/** The change that ends a credential before its time. */
export function revokedCredential(before: Credential, at: string, reason: string): Change {
  return {
    type: 'credential.revoked',
    entity: 'credential',
    before,
    after: { ...before, status: 'revoked', endReason: reason, endedAt: at },
    principal: before.principal,
    reason,
  };
}

async function grantEnd(db: StateDb, id: string, principalId: string, now: number): Promise<number> {
  const grant = await findGrant(db, id);
  if (!grant || grant.principal.id !== principalId) {
    throw new PosternError('POSTERN_GRANT_MISSING', `The principal has no grant ${JSON.stringify(id)}.`);
  }
  const end = Date.parse(grant.end);
  if (grant.status === 'revoked') {
    throw new PosternError('POSTERN_GRANT_REVOKED', `The grant ${id} was revoked: ${grant.endReason}.`);
  }
  if (grant.status === 'expired' || end <= now) {
    throw new PosternError('POSTERN_GRANT_EXPIRED', `The grant ${id} ended at ${grant.end}.`);
  }
  return end;
}
