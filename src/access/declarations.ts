import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { checkName } from '../identity/input.ts';
import type { Change, ChangeLog } from '../store/changes.ts';
import type { Declaration } from '../store/entities.ts';
import { findBinding, findMask, findPrincipal, findResource, found } from '../store/queries.ts';
import { findPolicy } from '../store/requests.ts';
import { declarationOf } from '../store/rows.ts';
import type { StateDb } from '../store/store.ts';

/** A thing that a set made, or no longer has. */
export interface Declared {
  readonly kind: Declaration['kind'];
  readonly id: string;
}

/** What `postern apply` made for which set of files, so that it ends nothing that somebody else made. */
export class Declarations {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;

  constructor(db: StateDb, changes: ChangeLog) {
    this.#db = db;
    this.#changes = changes;
  }

  /** What a set has, in the order in which it was made. */
  list(set: string): Promise<Declaration[]> {
    return held(this.#db, set);
  }

  /**
   * Adds things to a set and takes things out of it. What is as asked already stays.
   *
   * @throws PosternError POSTERN_INVALID for the name of the set, POSTERN_NOT_FOUND, POSTERN_CONFLICT where another set has it
   */
  change(
    actor: Actor,
    set: string,
    input: { readonly add: readonly Declared[]; readonly remove: readonly Declared[] },
  ): Promise<Declaration[]> {
    checkName(set, 'set');
    return this.#changes.run(actor, async (db) => {
      const changes: Change[] = [];
      const now = new Map((await held(db, set)).map((each) => [key(each.kind, each.object.id), each]));
      for (const { kind, id } of input.remove) {
        const before = now.get(key(kind, id));
        if (before === undefined) continue;
        const after: Declaration = { ...before, status: 'released' };
        changes.push({ type: 'config.changed', entity: 'declaration', before, after });
        now.delete(key(kind, id));
      }
      for (const { kind, id } of input.add) {
        if (now.has(key(kind, id))) continue;
        const after = await declared(db, set, { kind, id });
        changes.push({ type: 'config.changed', entity: 'declaration', before: null, after });
        now.set(key(kind, id), after);
      }
      return { changes, result: [...now.values()] };
    });
  }
}

const key = (kind: string, id: string): string => `${kind} ${id}`;

async function held(db: StateDb, set: string): Promise<Declaration[]> {
  const query = db.selectFrom('declarations').selectAll().where('set_name', '=', set);
  return (await query.where('status', '=', 'held').orderBy('id').execute()).map(declarationOf);
}

async function declared(db: StateDb, set: string, { kind, id }: Declared): Promise<Declaration> {
  const other = await db
    .selectFrom('declarations')
    .selectAll()
    .where('kind', '=', kind)
    .where('object_id', '=', id)
    .where('status', '=', 'held')
    .executeTakeFirst();
  if (other !== undefined) {
    throw new PosternError(
      'POSTERN_CONFLICT',
      `The ${kind} ${other.object_name} is in the set ${other.set_name}.`,
    );
  }
  const name = found(await nameOf(db, kind, id), kind, id);
  const object = { id, name };
  return { id: uuidv7(), set, kind, object, status: 'held', createdAt: rfc3339(nowMicros()) };
}

async function nameOf(db: StateDb, kind: Declaration['kind'], id: string): Promise<string | undefined> {
  if (kind === 'binding') return (await findBinding(db, id))?.principal.name;
  const find = { principal: findPrincipal, resource: findResource, mask: findMask, policy: findPolicy }[kind];
  const object = await find(db, id);
  return object?.id === id ? object.name : undefined;
}
