import { randomBytes, timingSafeEqual } from 'node:crypto';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { Person } from '../store/entities.ts';
import { findPerson, found } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { checkTtl } from './input.ts';
import { sha256 } from './tokens.ts';

const PATTERN = /^inv_[A-Za-z0-9_-]{43}$/;
const TTL_DEFAULT = 24 * 3600;
const TTL_MAX = 7 * 24 * 3600;

export interface IssuedInvitation {
  /** Shown once: only its hash is kept. */
  readonly token: string;
  readonly expiresAt: string;
}

/** One-time links by which somebody gets their first passkey, or is linked to an OpenID provider. */
export class Invitations {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;

  constructor(db: StateDb, changes: ChangeLog) {
    this.#db = db;
    this.#changes = changes;
  }

  /**
   * Invites a person; an invitation of before ends.
   *
   * @param ttlSeconds at most 7 days, default one
   * @throws PosternError POSTERN_CONFLICT for a disabled person
   */
  issue(actor: Actor, ref: string, ttlSeconds: number = TTL_DEFAULT): Promise<IssuedInvitation> {
    checkTtl(ttlSeconds, TTL_MAX, 'invitation');
    return this.#changes.run(actor, async (db) => {
      const person = found(await findPerson(db, ref), 'person', ref);
      if (person.status !== 'active') {
        throw new PosternError('POSTERN_CONFLICT', `${person.name} is disabled and is not invited.`);
      }
      const micros = nowMicros();
      const token = `inv_${randomBytes(32).toString('base64url')}`;
      const row = {
        id: uuidv7(),
        person_id: person.id,
        token_hash: sha256(token),
        expires_at: rfc3339(micros + ttlSeconds * 1_000_000),
      };
      return {
        changes: [
          {
            type: 'person.invited',
            entity: 'person',
            before: person,
            after: person,
            reason: `invitation ${row.id} issued, ends ${row.expires_at}`,
          },
        ],
        beside: async (tx) => {
          await tx.deleteFrom('invitations').where('person_id', '=', person.id).execute();
          await tx.deleteFrom('invitations').where('expires_at', '<=', rfc3339(micros)).execute();
          await tx.insertInto('invitations').values(row).execute();
        },
        result: { token, expiresAt: row.expires_at },
      };
    });
  }

  /** Whom it invites. @throws PosternError POSTERN_UNAUTHORIZED, with one message for every reason */
  open(token: string): Promise<Person> {
    return invited(this.#db, token);
  }
}

/** As `Invitations.open`, within a change. */
export async function invited(db: StateDb, token: string): Promise<Person> {
  const hash = sha256(token);
  const row = PATTERN.test(token)
    ? await db.selectFrom('invitations').selectAll().where('token_hash', '=', hash).executeTakeFirst()
    : undefined;
  if (row && timingSafeEqual(row.token_hash, hash) && Date.parse(row.expires_at) > Date.now()) {
    const person = await findPerson(db, row.person_id);
    if (person?.status === 'active') return person;
  }
  throw new PosternError(
    'POSTERN_UNAUTHORIZED',
    'The invitation is wrong, was used already, or its time is over.',
    'Ask an administrator for another one: postern person invite YOU',
  );
}

/** Uses an invitation up, in the transaction of the change that it makes possible. */
export async function spendInvitation(tx: StateDb, token: string): Promise<void> {
  await tx.deleteFrom('invitations').where('token_hash', '=', sha256(token)).execute();
}
