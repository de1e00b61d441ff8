import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { checkName, checkReason } from '../identity/input.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { EvidenceSchedule } from '../store/entities.ts';
import { findEvidenceSchedule, listEvidenceSchedules } from '../store/evidence-schedules.ts';
import { found, type Page } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';

/** A package of a schedule is called after it and the period. */
const NAME_MAX = 48;

export type NewEvidenceSchedule = Pick<
  EvidenceSchedule,
  'name' | 'every' | 'at' | 'zone' | 'framework' | 'statements' | 'parts' | 'to'
>;

/** When evidence packages are made by themselves. What a framework or folder is, is for who reads it to say. */
export class EvidenceSchedules {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;

  constructor(db: StateDb, changes: ChangeLog) {
    this.#db = db;
    this.#changes = changes;
  }

  /** @throws PosternError POSTERN_INVALID; POSTERN_CONFLICT where the name was used */
  create(actor: Actor, input: NewEvidenceSchedule, reason: string): Promise<EvidenceSchedule> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const name = checkName(input.name, 'evidence schedule');
      if (name.length > NAME_MAX)
        throw new PosternError(
          'POSTERN_INVALID',
          `The name of a schedule has at most ${NAME_MAX} characters.`,
        );
      if ((await findEvidenceSchedule(db, name)) !== undefined) {
        const message = `There was a schedule ${name} already; a name is never used again.`;
        throw new PosternError('POSTERN_CONFLICT', message);
      }
      const { every, at, zone, framework, statements, parts, to } = input;
      const after: EvidenceSchedule = {
        id: uuidv7(),
        name,
        ...{ every, at, zone, framework, statements, parts, to },
        status: 'active',
        statusReason: null,
        createdAt: rfc3339(nowMicros()),
      };
      return {
        changes: [{ type: 'config.changed', entity: 'evidence_schedule', before: null, after, reason: why }],
        result: after,
      };
    });
  }

  /** What is being made is finished. @throws PosternError POSTERN_NOT_FOUND, POSTERN_CONFLICT */
  end(actor: Actor, ref: string, reason: string): Promise<EvidenceSchedule> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = found(await findEvidenceSchedule(db, ref), 'evidence schedule', ref);
      if (before.status === 'ended')
        throw new PosternError('POSTERN_CONFLICT', `The schedule ${before.name} has ended already.`);
      const after: EvidenceSchedule = { ...before, status: 'ended', statusReason: why };
      return {
        changes: [{ type: 'config.changed', entity: 'evidence_schedule', before, after, reason: why }],
        result: after,
      };
    });
  }

  list(
    filter: { readonly status?: EvidenceSchedule['status'] | undefined },
    page?: Page,
  ): Promise<EvidenceSchedule[]> {
    return listEvidenceSchedules(this.#db, filter, page);
  }
}
