import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { Person } from '../store/entities.ts';
import { listAuthenticators } from '../store/people-queries.ts';
import { findPerson, found } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { atMillis, checkTtl } from './input.ts';
import type { PersonSession } from './sessions.ts';

const DAY_SECONDS = 86_400;
export const TOKEN_TTL_DEFAULT = 30 * DAY_SECONDS;
export const TOKEN_TTL_MAX = 90 * DAY_SECONDS;
const PATTERN = /^pat_[A-Za-z0-9_-]{43}$/;
/** How exact `last_used_at` is: a write per call would cost more than the call. */
const LAST_USED_STEP_MS = 60_000;

export interface IssuedToken {
  /** Shown once: only its hash is kept. */
  readonly token: string;
  readonly expiresAt: string;
}

/** A person who calls the API, by a session or by an API token. */
export interface Caller {
  readonly person: Person;
  readonly tokenExpiresAt: string;
  /** Until when sensitive acts are open to them, in ms; null: they must show who they are first. */
  readonly freshUntil: number | null;
  /** Null for an API token. */
  readonly session: PersonSession | null;
}

/** A token for sensitive acts lives no longer. */
const SENSITIVE_TTL_MAX = 3600;
/** For how long the token of the set-up serves for sensitive acts: its holder has just come in by the console. */
export const SETUP_FRESH_SECONDS = 3600;

export interface TokenOptions {
  /** At most 90 days, or an hour for one that is to serve for sensitive acts; default 30 days, or an hour. */
  readonly ttlSeconds?: number | undefined;
  /** Whether sensitive acts are open to it for as long as it lives. Only for oneself, by somebody who has just shown who they are. */
  readonly sensitive?: boolean | undefined;
}

/** API tokens of people: `pat_` and 256 random bits; the store holds SHA-256 of them. */
export class ApiTokens {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;

  constructor(db: StateDb, changes: ChangeLog) {
    this.#db = db;
    this.#changes = changes;
  }

  /**
   * Issues a token. The log shows it as `person.updated`, with the id and end of the token in the reason. Another
   * person gets one only for as long as they cannot come in by themselves: a token acts in their name.
   *
   * @throws PosternError POSTERN_CONFLICT for a disabled person; POSTERN_FORBIDDEN for another one who has an
   *   authenticator, or a sensitive one for another
   */
  issue(
    actor: Actor,
    ref: string,
    { ttlSeconds, sensitive = false }: TokenOptions = {},
  ): Promise<IssuedToken> {
    const ttl = ttlSeconds ?? (sensitive ? SENSITIVE_TTL_MAX : TOKEN_TTL_DEFAULT);
    checkTtl(ttl, sensitive ? SENSITIVE_TTL_MAX : TOKEN_TTL_MAX, 'token');
    return this.#changes.run(actor, async (db) => {
      const person = found(await findPerson(db, ref), 'person', ref);
      if (person.status !== 'active') {
        throw new PosternError('POSTERN_CONFLICT', `${person.name} is disabled and gets no token.`);
      }
      if (person.id !== actor.id) await requireNoWayIn(db, person, sensitive);
      const made = makeToken(ttl, sensitive ? ttl : null);
      return {
        changes: [tokenChange(person, made)],
        beside: (tx) => storeToken(tx, person, made),
        result: { token: made.token, expiresAt: made.expiresAt },
      };
    });
  }

  /**
   * Whose token it is. The lookup is by hash, so its time tells nothing about the bytes of any valid token;
   * the hashes are compared once more in constant time.
   *
   * @throws PosternError POSTERN_UNAUTHORIZED, with one message for every reason
   */
  async authenticate(token: string): Promise<Caller> {
    if (!PATTERN.test(token)) throw refused();
    const hash = sha256(token);
    const row = await this.#db
      .selectFrom('api_tokens')
      .selectAll()
      .where('token_hash', '=', hash)
      .executeTakeFirst();
    const now = Date.now();
    if (!row || !timingSafeEqual(row.token_hash, hash) || Date.parse(row.expires_at) <= now) throw refused();
    const person = await findPerson(this.#db, row.person_id);
    if (person?.status !== 'active') throw refused();
    if (row.last_used_at === null || Date.parse(row.last_used_at) + LAST_USED_STEP_MS < now) {
      const used = this.#db.updateTable('api_tokens').set({ last_used_at: atMillis(now) });
      await used.where('id', '=', row.id).execute();
    }
    const freshUntil = row.fresh_until === null ? null : Date.parse(row.fresh_until);
    return { person, tokenExpiresAt: row.expires_at, freshUntil, session: null };
  }
}

export interface MadeToken extends IssuedToken {
  readonly id: string;
  readonly createdAt: string;
  readonly freshUntil: string | null;
}

export function makeToken(ttlSeconds: number, freshSeconds: number | null): MadeToken {
  const micros = nowMicros();
  return {
    id: uuidv7(),
    token: `pat_${randomBytes(32).toString('base64url')}`,
    createdAt: rfc3339(micros),
    expiresAt: rfc3339(micros + ttlSeconds * 1_000_000),
    freshUntil: freshSeconds === null ? null : rfc3339(micros + freshSeconds * 1_000_000),
  };
}

/** The record of an issued token: it lets its holder act as the person, so it belongs in the log. */
export function tokenChange(person: Person, made: MadeToken) {
  return {
    type: 'person.updated',
    entity: 'person',
    before: person,
    after: person,
    reason: `API token ${made.id} issued, ends ${made.expiresAt}${made.freshUntil === null ? '' : `, for sensitive acts until ${made.freshUntil}`}`,
  } as const;
}

/** Keeps the hash; takes the chance to forget tokens whose time is over. */
export async function storeToken(tx: StateDb, person: Person, made: MadeToken): Promise<void> {
  await tx.deleteFrom('api_tokens').where('expires_at', '<=', made.createdAt).execute();
  await tx
    .insertInto('api_tokens')
    .values({
      id: made.id,
      person_id: person.id,
      token_hash: sha256(made.token),
      created_at: made.createdAt,
      expires_at: made.expiresAt,
      last_used_at: null,
      fresh_until: made.freshUntil,
    })
    .execute();
}

async function requireNoWayIn(db: StateDb, person: Person, sensitive: boolean): Promise<void> {
  if (!sensitive && (await listAuthenticators(db, person.id, 'active')).length === 0) return;
  throw new PosternError(
    'POSTERN_FORBIDDEN',
    sensitive
      ? 'A token for sensitive acts is issued for oneself only.'
      : `${person.name} signs in by themself and makes their own tokens.`,
  );
}

export const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

const refused = (): PosternError =>
  new PosternError(
    'POSTERN_UNAUTHORIZED',
    'The API token is missing, unknown, expired or belongs to a disabled person.',
  );
