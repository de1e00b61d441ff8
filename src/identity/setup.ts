import { randomBytes, timingSafeEqual } from 'node:crypto';
import { PosternError } from '../core/errors.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { Person } from '../store/entities.ts';
import { listAuthenticators } from '../store/people-queries.ts';
import { findPerson } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { activeAdmins, newPerson, SYSTEM } from './persons.ts';
import {
  type IssuedToken,
  makeToken,
  SETUP_FRESH_SECONDS,
  sha256,
  storeToken,
  TOKEN_TTL_DEFAULT,
  tokenChange,
} from './tokens.ts';

const SETTING = 'setup_token_hash';
const REASON = 'First administrator, by the one-time set-up token of the console.';

export interface SetUp extends IssuedToken {
  readonly person: Person;
}

/**
 * How the first administrator comes in: whoever reads the console of the process gets a token that works once.
 * It is also the way back in when no administrator can come in, or `serve --set-up` says so; then the set-up may name an existing
 * administrator, who gets a new token.
 */
export class Setup {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  #anyway = false;

  constructor(db: StateDb, changes: ChangeLog) {
    this.#db = db;
    this.#changes = changes;
  }

  /**
   * A fresh one-time token to print, or null when an active administrator can come in. Each call ends the token of the
   * call before.
   *
   * @param anyway whoever started the process asks for one because those who could come in are gone
   */
  async mint(anyway = false): Promise<string | null> {
    return this.#changes.exclusive(async () => {
      this.#anyway = anyway;
      if (!anyway && (await administered(this.#db))) return null;
      const token = `setup_${randomBytes(24).toString('base64url')}`;
      const value = sha256(token);
      await this.#db
        .insertInto('settings')
        .values({ name: SETTING, value })
        .onConflict((c) => c.column('name').doUpdateSet({ value }))
        .execute();
      return token;
    });
  }

  /**
   * Uses the token up: makes the first administrator and issues their API token.
   *
   * @throws PosternError POSTERN_UNAUTHORIZED when the token is wrong, was used, or is no longer needed
   */
  complete(token: string, name: string, email: string): Promise<SetUp> {
    return this.#changes.run(SYSTEM, async (db) => {
      const row = await db
        .selectFrom('settings')
        .select('value')
        .where('name', '=', SETTING)
        .executeTakeFirst();
      if (!row || !timingSafeEqual(row.value, sha256(token)) || (!this.#anyway && (await administered(db)))) {
        throw new PosternError('POSTERN_UNAUTHORIZED', 'The set-up token is wrong or was used already.');
      }
      const existing = await findPerson(db, email.trim().toLowerCase());
      const returning = existing?.status === 'active' && existing.roles.includes('admin');
      const person = returning
        ? existing
        : await newPerson(db, { name, email, roles: ['admin', 'owner', 'approver'] });
      const made = makeToken(TOKEN_TTL_DEFAULT, SETUP_FRESH_SECONDS);
      const created = {
        type: 'person.created',
        entity: 'person',
        before: null,
        after: person,
        reason: REASON,
      } as const;
      return {
        changes: returning ? [tokenChange(person, made)] : [created, tokenChange(person, made)],
        beside: async (tx) => {
          await storeToken(tx, person, made);
          await tx.deleteFrom('settings').where('name', '=', SETTING).execute();
        },
        result: { person, token: made.token, expiresAt: made.expiresAt },
      };
    });
  }
}

/** Whether an active administrator can come in: by what they sign in with, or by a token that works and has been used, so that somebody surely has it. */
async function administered(db: StateDb): Promise<boolean> {
  const ids = (await activeAdmins(db)).map((person) => person.id);
  if (ids.length === 0) return false;
  for (const id of ids) if ((await listAuthenticators(db, id, 'active')).length > 0) return true;
  const row = await db
    .selectFrom('api_tokens')
    .select('id')
    .where('person_id', 'in', ids)
    .where('expires_at', '>', rfc3339(nowMicros()))
    .where('last_used_at', 'is not', null)
    .executeTakeFirst();
  return row !== undefined;
}
