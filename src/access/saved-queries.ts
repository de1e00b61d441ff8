import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Ref } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { checkName } from '../identity/input.ts';
import type { StateDb } from '../store/store.ts';

/** A question to the activity that somebody kept. It gives nobody a right: who asks it sees what they may see. */
export interface SavedQuery extends Ref {
  /** Who kept it; null where they are no person any more. */
  readonly by: Ref | null;
  /** Whether everybody may use it. */
  readonly shared: boolean;
  readonly filter: Readonly<Record<string, string>>;
  readonly createdAt: string;
}

const MOST_OF_A_PERSON = 100;

/** Questions that people keep. They change nobody's access, so they are in no record. */
export class SavedQueries {
  readonly #db: StateDb;

  constructor(db: StateDb) {
    this.#db = db;
  }

  /**
   * Keeps a question; one of that name that is the same person's is replaced.
   *
   * @throws PosternError POSTERN_CONFLICT where somebody else shares one of that name, or there are too many
   */
  async save(
    person: Ref,
    input: { readonly name: string; readonly shared: boolean; readonly filter: SavedQuery['filter'] },
  ): Promise<SavedQuery> {
    const name = checkName(input.name, 'query');
    const { shared, filter } = input;
    const row = {
      id: uuidv7(),
      name,
      person_id: person.id,
      shared: shared ? 1 : 0,
      filter: JSON.stringify(filter),
      created_at: rfc3339(nowMicros()),
    };
    await this.#db.transaction().execute(async (tx) => {
      const own = await tx
        .selectFrom('saved_queries')
        .select(['id', 'name'])
        .where('person_id', '=', person.id)
        .execute();
      if (own.filter((each) => each.name !== name).length >= MOST_OF_A_PERSON) {
        throw new PosternError('POSTERN_CONFLICT', `Nobody keeps more than ${MOST_OF_A_PERSON} queries.`);
      }
      await tx
        .deleteFrom('saved_queries')
        .where('person_id', '=', person.id)
        .where('name', '=', name)
        .execute();
      const taken = tx
        .selectFrom('saved_queries')
        .select('id')
        .where('name', '=', name)
        .where('shared', '=', 1);
      if (shared && (await taken.executeTakeFirst()) !== undefined) {
        throw new PosternError('POSTERN_CONFLICT', `Somebody else shares a query by the name ${name}.`);
      }
      await tx.insertInto('saved_queries').values(row).execute();
    });
    return { id: row.id, name, by: person, shared, filter, createdAt: row.created_at };
  }

  /** What a person kept, and what is shared with everybody, by name. */
  async list(person: Ref): Promise<SavedQuery[]> {
    const rows = await this.#db
      .selectFrom('saved_queries as q')
      .leftJoin('persons as p', 'p.id', 'q.person_id')
      .select(['q.id', 'q.name', 'q.person_id', 'p.name as person', 'q.shared', 'q.filter', 'q.created_at'])
      .where((e) => e.or([e('q.person_id', '=', person.id), e('q.shared', '=', 1)]))
      .orderBy('q.name')
      .orderBy('q.id')
      .execute();
    return rows.map((row) => ({
      id: row.id,
      name: row.name,
      by: row.person === null ? null : { id: row.person_id, name: row.person },
      shared: row.shared === 1,
      filter: JSON.parse(row.filter) as SavedQuery['filter'],
      createdAt: row.created_at,
    }));
  }

  /** One's own before one that is shared. @throws PosternError POSTERN_NOT_FOUND */
  async get(person: Ref, name: string): Promise<SavedQuery> {
    const named = (await this.list(person)).filter((each) => each.name === name);
    const found = named.find(({ by }) => by?.id === person.id) ?? named[0];
    if (found !== undefined) return found;
    throw new PosternError(
      'POSTERN_NOT_FOUND',
      `You have no query ${JSON.stringify(name.slice(0, 100))}.`,
      'See: postern activity saved',
    );
  }

  /** @throws PosternError POSTERN_NOT_FOUND where the person keeps none of that name */
  async forget(person: Ref, name: string): Promise<void> {
    const { id, by } = await this.get(person, name);
    if (by?.id !== person.id)
      throw new PosternError('POSTERN_FORBIDDEN', 'This query is shared by somebody else.');
    await this.#db.deleteFrom('saved_queries').where('id', '=', id).execute();
  }
}
