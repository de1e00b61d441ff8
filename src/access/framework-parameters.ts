import { hash } from 'node:crypto';
import { PosternError } from '../core/errors.ts';
import type { Actor } from '../core/record.ts';
import { checkReason } from '../identity/input.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { FrameworkParameters } from '../store/entities.ts';
import { findFrameworkParameters } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';

/** A change record holds the text before and after, and a leaf has at most 65,535 bytes. */
const TEXT_MAX = 24_000;

/** The institution's own values of what frameworks leave to it. Whether the text is right is for who reads it to say. */
export class FrameworkParameterSets {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;

  constructor(db: StateDb, changes: ChangeLog) {
    this.#db = db;
    this.#changes = changes;
  }

  /** Null while nobody has set any. */
  async current(): Promise<FrameworkParameters | null> {
    return (await findFrameworkParameters(this.#db)) ?? null;
  }

  /** @throws PosternError POSTERN_INVALID; POSTERN_CONFLICT where nothing would change */
  set(actor: Actor, text: string, reason: string): Promise<FrameworkParameters> {
    const why = checkReason(reason);
    if (Buffer.byteLength(text) > TEXT_MAX)
      throw new PosternError('POSTERN_INVALID', `The text is longer than ${TEXT_MAX} bytes.`);
    return this.#changes.run(actor, async (db) => {
      const before = (await findFrameworkParameters(db)) ?? null;
      if (before?.text === text)
        throw new PosternError('POSTERN_CONFLICT', 'These are the parameters already: nothing would change.');
      const revision = (before?.revision ?? 0) + 1;
      const after: FrameworkParameters = { id: 'parameters', revision, text, sha256: hash('sha256', text) };
      return {
        changes: [{ type: 'parameters.changed', entity: 'parameters', before, after, reason: why }],
        result: after,
      };
    });
  }
}
