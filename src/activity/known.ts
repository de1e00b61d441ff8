import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Authority, Ref } from '../core/record.ts';
import { authorityOf, type GrantShown, grantShown, type State } from './entities.ts';

/** What the index knows about things by their ids: names, owners as of a leaf, grants with their authority. */
export class Known {
  readonly #entity: StatementSync;
  readonly #owner: StatementSync;
  readonly #name: StatementSync;

  constructor(db: DatabaseSync) {
    this.#entity = db.prepare('SELECT name, after FROM entities WHERE kind = ? AND id = ?');
    this.#owner = db.prepare(
      'SELECT owner FROM owners WHERE principal = ? AND leaf <= ? ORDER BY leaf DESC LIMIT 1',
    );
    this.#name = db.prepare('SELECT id, name FROM names WHERE n = ?');
  }

  /** The last state of a thing, or null where the log does not know it. */
  state(kind: string, id: string): State | null {
    const row = this.#entity.get(kind, id);
    return row === undefined ? null : (JSON.parse(String(row.after)) as State);
  }

  nameOf(kind: string, id: string): string | null {
    const row = this.#entity.get(kind, id);
    return row === undefined ? null : String(row.name);
  }

  /** The reference behind a number of the dictionary. */
  ref(n: number): Ref | null {
    const row = n === 0 ? undefined : this.#name.get(n);
    return row === undefined ? null : { id: String(row.id), name: String(row.name) };
  }

  /** Who was accountable for the principal when that leaf was written. */
  ownerAt(principalId: string, leaf: number): Ref | null {
    const row = this.#owner.get(principalId, leaf);
    if (row === undefined) return null;
    const id = String(row.owner);
    return { id, name: this.nameOf('person', id) ?? id };
  }

  authority(grantId: string): Authority | null {
    return authorityOf(this.state('grant', grantId) ?? undefined);
  }

  grant(id: string): GrantShown | null {
    const state = this.state('grant', id);
    return state === null ? null : grantShown(id, state, (kind, ref) => this.nameOf(kind, ref));
  }
}
