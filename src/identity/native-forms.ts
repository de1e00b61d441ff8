/** Credentials in the form that clients of a protocol know: a password, a certificate of X.509 or SSH, a bearer token. */
import { randomBytes } from 'node:crypto';
import { clientUri, partyUri } from '../core/client-uri.ts';
import type { Confirmation } from '../core/confirmation.ts';
import { newPassword, scramKeys, scramSalt } from '../core/scram.ts';
import { SCRAM_ITERATIONS } from '../core/views.ts';
import type { Credential } from '../store/entities.ts';
import { findResource } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { issueClientCertificate } from '../vault/client-certificates.ts';
import type { SshCa } from '../vault/ssh-ca.ts';
import { parseSshPublicKey, signSshCertificate, sshFingerprint } from '../vault/ssh-certificate.ts';
import type { TokenKeys } from '../vault/token-keys.ts';

/** Clocks of clients and servers differ; a certificate that is not valid yet helps nobody. */
const BACKDATE_MS = 5 * 60_000;

export type Form =
  | { readonly kind: 'password' }
  /** A certification request, PEM. */
  | { readonly kind: 'certificate'; readonly csr: string }
  /** A public key as a line; networks from which the certificate is good, in CIDR. */
  | { readonly kind: 'ssh'; readonly publicKey: string; readonly sources: readonly string[] }
  /** The key that whoever shows the token must prove to hold; null: none, it is a bearer's. */
  | { readonly kind: 'jwt'; readonly confirmation: Confirmation | null };

export interface Made {
  /** With what the form adds. */
  readonly credential: Credential;
  /** What the client gets: password, PEM, line or token. Not kept. */
  readonly text: string;
  /** Keeps what proves a password later. */
  readonly secrets?: (tx: StateDb) => Promise<void>;
}

export interface NativeFormsOptions {
  readonly dataDir: string;
  readonly saltSecret: Buffer;
  readonly tokenKeys: TokenKeys;
  readonly sshCa: SshCa;
  /** URL of this Postern, as in `iss`. */
  readonly issuer: () => string;
}

export class NativeForms {
  readonly #options: NativeFormsOptions;

  constructor(options: NativeFormsOptions) {
    this.#options = options;
  }

  /** @throws PosternError POSTERN_INVALID for a request or key that is not taken */
  async make(db: StateDb, plain: Credential, form: Form): Promise<Made> {
    switch (form.kind) {
      case 'password':
        return this.#password(plain);
      case 'certificate':
        return this.#certificate(plain, form.csr);
      case 'ssh':
        return this.#ssh(plain, form.publicKey, form.sources);
      case 'jwt':
        return this.#jwt(db, { ...plain, confirmation: form.confirmation });
    }
  }

  async #password(credential: Credential): Promise<Made> {
    const text = newPassword();
    const salt = scramSalt(this.#options.saltSecret, credential.principal.name);
    const keys = await scramKeys(text, salt, SCRAM_ITERATIONS);
    const row = { credential_id: credential.id, stored_key: keys.storedKey, server_key: keys.serverKey };
    const secrets = async (tx: StateDb): Promise<void> => {
      await tx.insertInto('credential_verifiers').values(row).execute();
    };
    return { credential, text, secrets };
  }

  async #certificate(plain: Credential, csr: string): Promise<Made> {
    const { pem, sha256 } = await issueClientCertificate(this.#options.dataDir, {
      csr,
      principal: plain.principal.name,
      id: plain.id,
      notAfter: Date.parse(plain.expiresAt),
    });
    return { credential: { ...plain, certificateSha256: sha256 }, text: pem };
  }

  #ssh(plain: Credential, publicKey: string, sources: readonly string[]): Made {
    const key = parseSshPublicKey(publicKey);
    const text = signSshCertificate(
      {
        key,
        keyId: `postern ${plain.principal.name} ${plain.id}`,
        principals: [plain.principal.name],
        // What the id has of chance, so that a revocation list could name it.
        serial: BigInt(`0x${plain.id.replaceAll('-', '').slice(17)}`),
        validAfter: Date.parse(plain.createdAt) - BACKDATE_MS,
        validBefore: Date.parse(plain.expiresAt),
        sourceAddresses: sources,
        nonce: randomBytes(32),
      },
      this.#options.sshCa.key,
    );
    return { credential: { ...plain, confirmation: { ssh: sshFingerprint(key.blob) } }, text };
  }

  /** @see https://www.rfc-editor.org/rfc/rfc9068#section-2.2 */
  async #jwt(db: StateDb, credential: Credential): Promise<Made> {
    const { principal, delegation, confirmation } = credential;
    const iss = this.#options.issuer();
    const resource = credential.resource === null ? null : await findResource(db, credential.resource);
    const text = this.#options.tokenKeys.sign('at+jwt', {
      iss,
      aud: resource ? `postern://resource/${resource.name}` : iss,
      ...actingClaims([...delegation.map(partyUri), clientUri(principal.name)]),
      client_id: principal.name,
      iat: seconds(credential.createdAt),
      exp: seconds(credential.expiresAt),
      jti: credential.id,
      ...(confirmation && {
        cnf: {
          ...(confirmation.jkt !== undefined && { jkt: confirmation.jkt }),
          ...(confirmation.x5tS256 !== undefined && { 'x5t#S256': confirmation.x5tS256 }),
        },
      }),
    });
    return { credential, text };
  }
}

/**
 * Who acts, and for whom: `sub` is the origin, the outermost `act` who acts now, and those within it who did before.
 *
 * @param parties URIs, the origin first, who acts now last
 * @see https://www.rfc-editor.org/rfc/rfc8693#section-4.1
 */
export function actingClaims(parties: readonly string[]): { readonly sub: string; readonly act?: object } {
  const [sub = '', ...actors] = parties;
  const act = actors.reduce<object | undefined>(
    (before, each) => ({ sub: each, ...(before && { act: before }) }),
    undefined,
  );
  return { sub, ...(act && { act }) };
}

const seconds = (time: string): number => Math.floor(Date.parse(time) / 1000);
