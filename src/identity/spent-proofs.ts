import { PosternError } from '../core/errors.ts';
import type { StateDb } from '../store/store.ts';

/** More than this many at once is an attack or a fault: nothing more is taken until some have ended. */
const SPENT_MAX = 200_000;

/**
 * What was shown once and may not be shown again: remembered until it ends, on the disk, so that a restart forgets nothing. Only what
 * was verified gets here, so a stranger cannot fill it.
 */
export class SpentProofs {
  readonly #db: StateDb;
  readonly #max: number;

  constructor(db: StateDb, max = SPENT_MAX) {
    this.#db = db;
    this.#max = max;
  }

  /**
   * Takes a proof, for the first time.
   *
   * @param mark hex SHA-256 of what tells it again
   * @param endsMs when it ends by itself, in milliseconds since the Unix epoch
   * @throws PosternError POSTERN_UNAUTHORIZED when it was taken before; POSTERN_TOO_MANY_REQUESTS when no more can be remembered
   */
  async take(mark: string, endsMs: number, nowMs = Date.now()): Promise<void> {
    await this.#db.transaction().execute(async (db) => {
      await db.deleteFrom('spent_proofs').where('ends_ms', '<=', nowMs).execute();
      const { held } = await db
        .selectFrom('spent_proofs')
        .select((of) => of.fn.countAll<number>().as('held'))
        .executeTakeFirstOrThrow();
      if (Number(held) >= this.#max)
        throw new PosternError(
          'POSTERN_TOO_MANY_REQUESTS',
          'Too many tokens are in use at once; none is taken until some have ended.',
        );
      const { numInsertedOrUpdatedRows } = await db
        .insertInto('spent_proofs')
        .values({ mark, ends_ms: endsMs })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirstOrThrow();
      if (numInsertedOrUpdatedRows !== 1n)
        throw new PosternError(
          'POSTERN_UNAUTHORIZED',
          'The token was exchanged before, and is taken once.',
          'Have the platform make a new one for each exchange.',
        );
    });
  }
}
