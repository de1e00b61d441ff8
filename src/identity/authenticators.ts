import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { Change, ChangeLog } from '../store/changes.ts';
import type { Authenticator, Person } from '../store/entities.ts';
import { findActiveAuthenticator, findAuthenticator, listAuthenticators } from '../store/people-queries.ts';
import { found } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { checkReason, checkText } from './input.ts';

const MOST = 20;

type OmitBase<T> = T extends unknown
  ? Omit<T, 'id' | 'person' | 'label' | 'status' | 'endReason' | 'endedAt' | 'createdAt'>
  : never;
export type NewAuthenticator = OmitBase<Authenticator>;

/** By what people show who they are: passkeys, and who they are to an OpenID provider. */
export class Authenticators {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;

  constructor(db: StateDb, changes: ChangeLog) {
    this.#db = db;
    this.#changes = changes;
  }

  /** Of a person, those that were removed too. */
  list(personId: string): Promise<Authenticator[]> {
    return listAuthenticators(this.#db, personId);
  }

  /**
   * Nobody comes in by it any more.
   *
   * @param personId whose it must be; null for anybody's
   * @throws PosternError POSTERN_NOT_FOUND, POSTERN_CONFLICT when it was removed before
   */
  remove(actor: Actor, id: string, reason: string, personId: string | null): Promise<Authenticator> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = found(await findAuthenticator(db, id), 'authenticator', id);
      if (personId !== null && before.person.id !== personId) found(undefined, 'authenticator', id);
      if (before.status === 'removed') throw new PosternError('POSTERN_CONFLICT', 'It was removed already.');
      const endedAt = rfc3339(nowMicros());
      const after: Authenticator = { ...before, status: 'removed', endReason: why, endedAt };
      return {
        changes: [{ type: 'authenticator.removed', entity: 'authenticator', before, after, reason: why }],
        result: after,
      };
    });
  }
}

/**
 * The change that gives a person a further authenticator, without storing it.
 *
 * @throws PosternError POSTERN_CONFLICT when somebody has it already, or the person has too many
 */
export async function addedAuthenticator(
  db: StateDb,
  person: Person,
  input: NewAuthenticator,
  label: string,
): Promise<Change & { readonly after: Authenticator }> {
  const held = await findActiveAuthenticator(db, input);
  if (held !== undefined) {
    throw new PosternError('POSTERN_CONFLICT', 'Somebody comes in by this already.');
  }
  if ((await listAuthenticators(db, person.id, 'active')).length >= MOST) {
    throw new PosternError('POSTERN_CONFLICT', `A person has at most ${MOST} ways to come in.`);
  }
  const after: Authenticator = {
    ...input,
    id: uuidv7(),
    person: { id: person.id, name: person.name },
    label: checkText(label, 'label', 100),
    status: 'active',
    endReason: null,
    endedAt: null,
    createdAt: rfc3339(nowMicros()),
  };
  return { type: 'authenticator.added', entity: 'authenticator', before: null, after };
}
