/**
 * The exchange: a proof of who somebody is, for a credential that ends within the hour, in the form that the client knows.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8693
 */

import type { Attempts } from '../core/attempts.ts';
import { PosternError } from '../core/errors.ts';
import type { ChangeLog } from '../store/changes.ts';
import { findDelegation } from '../store/delegation-queries.ts';
import type { Delegation, Exchange } from '../store/entities.ts';
import { findBinding, findCredential } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import type { CredentialRefusals } from './credential-refusals.ts';
import { chainBehind, type Delegations } from './delegations.ts';
import { checkTtl } from './input.ts';
import type { Form, Made, NativeForms } from './native-forms.ts';
import { issuedCredential, newCredential } from './new-credential.ts';
import { type Proof, type Provers, type Shown, TOKEN_TYPES } from './proof.ts';

export const EXCHANGE_TTL_DEFAULT = 900;
const EXCHANGE_TTL_MIN = 60;
export const EXCHANGE_TTL_MAX = 3600;
/** How long a proof may take to look at, where somebody has to be asked. */
const PROOF_MS = 15_000;
/** Proofs that are looked at at the same time. */
const PROOFS_MAX = 64;
/** What is logged of claims. */
const CLAIMS_MAX = 32;
const CLAIM_CHARACTERS = 500;

export interface ExchangeRequest {
  /** Who the credential is for; with `actor`, the delegation of whom they act for. */
  readonly subject: Shown;
  readonly actor: Shown | null;
  readonly form: Form;
  readonly resource?: string;
  readonly grant?: string;
  /** 60 to 3600, default 900. */
  readonly ttlSeconds?: number;
  /** As the client claims to be called; not looked at before. */
  readonly name: string | null;
}

export interface ExchangeOptions {
  readonly db: StateDb;
  readonly changes: ChangeLog;
  readonly provers: Provers;
  readonly forms: NativeForms;
  readonly delegations: Delegations;
  readonly attempts: Attempts;
  readonly refusals: CredentialRefusals;
}

export class TokenExchange {
  readonly #options: ExchangeOptions;
  #proving = 0;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  /**
   * Gives a credential for a proof.
   *
   * @throws PosternError POSTERN_TOO_MANY_REQUESTS; POSTERN_UNAUTHORIZED for what proves nothing; POSTERN_FORBIDDEN where the actor
   *   is not whom the delegation names; else as for credentials that people issue
   */
  async issue(request: ExchangeRequest): Promise<Made> {
    const { attempts } = this.#options;
    const { source } = request.subject;
    const { name } = request;
    if (!attempts.heard(source, name, Date.now())) {
      const refused = new PosternError(
        'POSTERN_TOO_MANY_REQUESTS',
        'Too many proofs failed.',
        'Wait a minute.',
      );
      await this.#refused(source, refused, null);
      throw refused;
    }
    let proof: Proof | null = null;
    try {
      const ttlSeconds = ttlOf(request.ttlSeconds);
      const delegation = request.actor === null ? null : await this.#delegation(request.subject);
      proof = await this.#prove(request.actor ?? request.subject, request.actor !== null);
      attempts.proven(source, proof.principal.name, Date.now());
      if (delegation !== null && delegation.actor.id !== proof.principal.id)
        throw new PosternError(
          'POSTERN_FORBIDDEN',
          `The delegation lets ${delegation.actor.name} act, and not ${proof.principal.name}.`,
        );
      return await this.#issue(request, proof, delegation, ttlSeconds);
    } catch (error) {
      if (!(error instanceof PosternError)) throw error;
      if (error.code === 'POSTERN_UNAUTHORIZED') attempts.failed(source, name, Date.now());
      await this.#refused(source, error, proof);
      throw error;
    }
  }

  async #refused(source: string, error: PosternError, proof: Proof | null): Promise<void> {
    const { code, message: reason } = error;
    await this.#options.refusals.note({ source, principal: proof?.principal ?? null, code, reason });
  }

  async #delegation(subject: Shown): Promise<Delegation> {
    if (subject.type !== TOKEN_TYPES.jwt)
      throw new PosternError(
        'POSTERN_INVALID',
        `With an actor_token, the subject_token is a delegation of this Postern (${TOKEN_TYPES.jwt}).`,
      );
    return this.#options.delegations.shown(subject.token);
  }

  async #prove(shown: Shown, acting: boolean): Promise<Proof> {
    const prover = this.#options.provers.get(shown.type);
    // A bearer token is no proof by which its holder could go on for ever.
    if (prover === undefined || (shown.type === TOKEN_TYPES.accessToken && !acting))
      throw new PosternError(
        'POSTERN_INVALID',
        `Tokens of the type ${JSON.stringify(shown.type.slice(0, 100))} are not taken here.`,
      );
    if (this.#proving >= PROOFS_MAX)
      throw new PosternError(
        'POSTERN_TIMEOUT',
        'Too many proofs are being looked at.',
        'Try again in a moment.',
      );
    this.#proving += 1;
    try {
      return await within(prover(shown));
    } finally {
      this.#proving -= 1;
    }
  }

  #issue(
    request: ExchangeRequest,
    proof: Proof,
    delegation: Delegation | null,
    ttlSeconds: number,
  ): Promise<Made> {
    const { changes, forms } = this.#options;
    const actor = { kind: 'principal', ...proof.principal } as const;
    return changes.run(actor, async (db) => {
      await stillHolds(db, proof, delegation);
      const ends = [proof.expiresAt, delegation === null ? null : Date.parse(delegation.expiresAt)];
      const notAfter = Math.min(...ends.filter((end) => end !== null));
      const plain = await newCredential(db, {
        principal: proof.principal.id,
        kind: request.form.kind,
        ttlSeconds,
        notAfter,
        grant: request.grant,
        resource: request.resource,
        exchange: exchangeOf(proof, request.subject.source),
        delegation: delegation === null ? [] : chainBehind(delegation),
      });
      const made = await forms.make(db, plain, request.form);
      const { credential, secrets } = made;
      return { changes: [issuedCredential(credential)], ...(secrets && { secrets }), result: made };
    });
  }
}

/** What was proven may have been taken away while it was looked at. */
async function stillHolds(db: StateDb, proof: Proof, delegation: Delegation | null): Promise<void> {
  const by =
    proof.kind === 'jwt' ? await findCredential(db, proof.binding) : await findBinding(db, proof.binding);
  if (by?.status !== 'active')
    throw new PosternError('POSTERN_UNAUTHORIZED', 'What was shown proves nothing any more.');
  if (delegation !== null && (await findDelegation(db, delegation.id))?.status !== 'active')
    throw new PosternError('POSTERN_UNAUTHORIZED', `The delegation ${delegation.id} was revoked.`);
}

function exchangeOf(proof: Proof, source: string): Exchange {
  const { binding, kind, issuer, subject, jti, sha256 } = proof;
  const claims = Object.entries(proof.claims).slice(0, CLAIMS_MAX);
  const cut = (text: string): string => text.slice(0, CLAIM_CHARACTERS);
  return {
    ...{ binding, kind, issuer, sha256, source },
    subject: subject === null ? null : cut(subject),
    jti: jti === null ? null : cut(jti),
    claims: Object.fromEntries(claims.map(([name, value]) => [cut(name), cut(value)])),
  };
}

function ttlOf(asked = EXCHANGE_TTL_DEFAULT): number {
  if (asked < EXCHANGE_TTL_MIN)
    throw new PosternError('POSTERN_INVALID', `A credential lives ${EXCHANGE_TTL_MIN} seconds at least.`);
  return checkTtl(asked, EXCHANGE_TTL_MAX, 'credential');
}

/** Somebody who has to be asked for a proof, and does not answer, holds nobody up. */
async function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new PosternError('POSTERN_TIMEOUT', 'The proof could not be looked at in time.')),
      PROOF_MS,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
