import { clientUri, partyUri } from '../core/client-uri.ts';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import { keyFor, readToken, signatureFits } from '../core/jws.ts';
import type { Actor, Delegator } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { ChangeLog } from '../store/changes.ts';
import { type DelegationFilter, findDelegation, listDelegations } from '../store/delegation-queries.ts';
import type { Credential, Delegation } from '../store/entities.ts';
import { findPerson, findPrincipal, found, type Page } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import type { TokenKeys } from '../vault/token-keys.ts';
import { revokedDelegation } from './endings.ts';
import { atMillis, checkReason, checkTtl } from './input.ts';
import { actingClaims } from './native-forms.ts';

const TTL_DEFAULT = 900;
const TTL_MAX = 3600;
/** So many are behind a principal at most: a chain that is longer tells nobody who is meant. */
export const CHAIN_MAX = 4;
const TYPE = 'postern-delegation+jwt';

export interface NewDelegation {
  /** Name or id of the principal that may act. */
  readonly actor: string;
  readonly ttlSeconds?: number | undefined;
}

export interface IssuedDelegation {
  readonly delegation: Delegation;
  /** To be shown by the actor, with its own proof, at the exchange. Shown once. */
  readonly token: string;
}

/**
 * On whose behalf principals act. Who is meant says so themselves, for one actor and a short time, and gets a token that is good
 * for nothing but to be shown by that actor at the exchange. It gives the actor nothing that it does not have: it is the record
 * of whom it acted for.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8693#section-4.4
 */
export class Delegations {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #keys: TokenKeys;
  readonly #issuer: () => string;

  constructor(db: StateDb, changes: ChangeLog, keys: TokenKeys, issuer: () => string) {
    this.#db = db;
    this.#changes = changes;
    this.#keys = keys;
    this.#issuer = issuer;
  }

  /**
   * Lets a principal act on behalf of the caller.
   *
   * @param by the caller: a person, or a principal
   * @param under the bearer token with which a principal calls: the word ends with it, and stands behind those it acts for
   * @throws PosternError POSTERN_CONFLICT where the chain would be too long or come back to who is in it
   */
  create(by: Actor, under: Credential | null, input: NewDelegation): Promise<IssuedDelegation> {
    const ttl = checkTtl(input.ttlSeconds ?? TTL_DEFAULT, TTL_MAX, 'delegation');
    return this.#changes.run(by, async (db) => {
      const actor = found(await findPrincipal(db, input.actor), 'principal', input.actor);
      if (actor.status !== 'active')
        throw new PosternError('POSTERN_PRINCIPAL_INACTIVE', `${actor.name} is ${actor.status}.`);
      const subject = subjectOf(by);
      const chain = under?.delegation ?? [];
      if (chain.length >= CHAIN_MAX)
        throw new PosternError('POSTERN_CONFLICT', `At most ${CHAIN_MAX} parties are behind a principal.`);
      if ([subject, ...chain].some(({ id }) => id === actor.id))
        throw new PosternError('POSTERN_CONFLICT', `${actor.name} is in the chain already.`);
      const now = Date.now();
      const end = Math.min(
        now + ttl * 1000,
        under === null ? Number.MAX_SAFE_INTEGER : Date.parse(under.expiresAt),
      );
      const delegation: Delegation = {
        id: uuidv7(),
        subject,
        chain,
        actor: { id: actor.id, name: actor.name },
        credential: under?.id ?? null,
        expiresAt: atMillis(end),
        status: 'active',
        endReason: null,
        endedAt: null,
        createdAt: atMillis(now),
      };
      const change = {
        type: 'delegation.created',
        entity: 'delegation',
        before: null,
        after: delegation,
      } as const;
      return {
        changes: [{ ...change, principal: delegation.actor }],
        result: { delegation, token: this.#token(delegation) },
      };
    });
  }

  /**
   * What a token of `create` stands for, if it still holds.
   *
   * @throws PosternError POSTERN_UNAUTHORIZED
   */
  async shown(token: string): Promise<Delegation> {
    const refused = (why: string): PosternError =>
      new PosternError('POSTERN_UNAUTHORIZED', `The delegation proves nothing: ${why}.`);
    const read = readToken(token);
    if (typeof read === 'string') throw refused(read);
    const key = keyFor(read, this.#keys.verifiers(Date.now()));
    if (
      read.typ !== TYPE ||
      key === undefined ||
      !signatureFits(read, key) ||
      read.claims.iss !== this.#issuer()
    )
      throw refused('it is none of this Postern');
    const id = String(read.claims.jti);
    const delegation = await findDelegation(this.#db, id);
    if (delegation === undefined) throw refused(`${id} is not known`);
    if (delegation.status !== 'active') throw refused(`${id} was revoked`);
    if (Date.parse(delegation.expiresAt) <= Date.now())
      throw refused(`${id} expired at ${delegation.expiresAt}`);
    await stillThere(this.#db, [delegation.subject, ...delegation.chain]);
    return delegation;
  }

  /** @throws PosternError POSTERN_NOT_FOUND */
  async get(id: string): Promise<Delegation> {
    return found(await findDelegation(this.#db, id), 'delegation', id);
  }

  list(filter: Omit<DelegationFilter, 'at'>, page: Page): Promise<Delegation[]> {
    return listDelegations(this.#db, { ...filter, at: rfc3339(nowMicros()) }, page);
  }

  /** Takes the word back, with the credentials that stand on it and their sessions. @throws PosternError POSTERN_CONFLICT */
  revoke(actor: Actor, id: string, reason: string): Promise<Delegation> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = found(await findDelegation(db, id), 'delegation', id);
      if (before.status === 'revoked')
        throw new PosternError('POSTERN_CONFLICT', `The delegation ${id} is revoked already.`);
      const change = revokedDelegation(before, rfc3339(nowMicros()), why);
      return { changes: [change], result: change.after as Delegation };
    });
  }

  #token({ id, subject, chain, actor, createdAt, expiresAt }: Delegation): string {
    const iss = this.#issuer();
    return this.#keys.sign(TYPE, {
      iss,
      aud: iss,
      ...actingClaims([...chain, subject].map(partyUri)),
      may_act: { sub: clientUri(actor.name) },
      iat: Math.floor(Date.parse(createdAt) / 1000),
      exp: Math.floor(Date.parse(expiresAt) / 1000),
      jti: id,
    });
  }
}

/** The chain of a credential for which a delegation was shown. */
export const chainBehind = ({ chain, subject, id }: Delegation): Delegator[] => [
  ...chain,
  { ...subject, delegation: id },
];

/** @throws PosternError POSTERN_UNAUTHORIZED when one of them may not act any more */
async function stillThere(db: StateDb, parties: readonly Delegation['subject'][]): Promise<void> {
  for (const { kind, id, name } of parties) {
    const party = kind === 'person' ? await findPerson(db, id) : await findPrincipal(db, id);
    if (party?.status !== 'active')
      throw new PosternError('POSTERN_UNAUTHORIZED', `The delegation proves nothing: ${name} is not active.`);
  }
}

function subjectOf({ kind, id, name }: Actor): Delegation['subject'] {
  if (kind === 'system' || kind === 'directory')
    throw new PosternError('POSTERN_FORBIDDEN', 'One acts on behalf of people and principals alone.');
  return { kind, id, name };
}
