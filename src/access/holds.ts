import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { checkReason } from '../identity/input.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { LegalHold } from '../store/entities.ts';
import { findPrincipal, found, type LegalHoldFilter, listLegalHolds, type Page } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';

/** Legal holds: while one is on a principal, or on everything, no text of it is destroyed. */
export class Holds {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;

  constructor(db: StateDb, changes: ChangeLog) {
    this.#db = db;
    this.#changes = changes;
  }

  /**
   * Places a hold.
   *
   * @param input.principal id or name; absent: on the texts of all principals
   * @throws PosternError POSTERN_NOT_FOUND, POSTERN_INVALID
   */
  place(actor: Actor, input: { principal?: string | undefined; reason: string }): Promise<LegalHold> {
    const reason = checkReason(input.reason);
    return this.#changes.run(actor, async (db) => {
      const ref = input.principal;
      const principal = ref === undefined ? null : found(await findPrincipal(db, ref), 'principal', ref);
      const after: LegalHold = {
        id: uuidv7(),
        principal: principal && { id: principal.id, name: principal.name },
        reason,
        placedBy: { id: actor.id, name: actor.name },
        status: 'active',
        endReason: null,
        endedAt: null,
        createdAt: rfc3339(nowMicros()),
      };
      const change = {
        type: 'legal_hold.placed',
        entity: 'legal_hold',
        before: null,
        after,
        reason,
      } as const;
      return {
        changes: [after.principal === null ? change : { ...change, principal: after.principal }],
        result: after,
      };
    });
  }

  list(filter: LegalHoldFilter, page?: Page): Promise<LegalHold[]> {
    return listLegalHolds(this.#db, filter, page);
  }

  /** @throws PosternError POSTERN_NOT_FOUND; POSTERN_CONFLICT when it was released already */
  release(actor: Actor, id: string, reason: string): Promise<LegalHold> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = found((await listLegalHolds(db, { id }))[0], 'legal hold', id);
      if (before.status !== 'active') {
        throw new PosternError('POSTERN_CONFLICT', `The legal hold ${id} is released already.`);
      }
      const after: LegalHold = {
        ...before,
        status: 'released',
        endReason: why,
        endedAt: rfc3339(nowMicros()),
      };
      const change = {
        type: 'legal_hold.released',
        entity: 'legal_hold',
        before,
        after,
        reason: why,
      } as const;
      return {
        changes: [after.principal === null ? change : { ...change, principal: after.principal }],
        result: after,
      };
    });
  }
}
