import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ChangeRecord } from '../core/record.ts';
import { refOf, type State, textOf } from './entities.ts';

/** The last state of every person, principal, resource, grant and credential, and who owned a principal from which leaf on. */
export class EntityTable {
  readonly #put: StatementSync;
  readonly #putOwner: StatementSync;

  constructor(db: DatabaseSync) {
    this.#put = db.prepare(
      'INSERT INTO entities (kind, id, name, email, created, changed, after) VALUES (?, ?, ?, ?, ?, ?, ?) ' +
        'ON CONFLICT DO UPDATE SET name = excluded.name, email = excluded.email, changed = excluded.changed, ' +
        'after = excluded.after',
    );
    this.#putOwner = db.prepare(
      'INSERT OR REPLACE INTO owners (principal, leaf, owner) SELECT ?1, ?2, ?3 WHERE ?3 IS NOT ' +
        '(SELECT owner FROM owners WHERE principal = ?1 ORDER BY leaf DESC LIMIT 1)',
    );
  }

  /** Takes one change in. Answers the name of the thing that changed, or its id where it has none. */
  take(leaf: number, record: ChangeRecord): string {
    const { entity, id } = record.change;
    const after = record.change.after as State;
    const name = textOf(after, 'name') ?? id;
    this.#put.run(entity, id, name, textOf(after, 'email'), leaf, leaf, JSON.stringify(after));
    if (entity === 'principal') {
      const owner = refOf(after, 'owner', () => null);
      if (owner !== null) this.#putOwner.run(id, leaf, owner.id);
    }
    return name;
  }
}
