import { PosternError } from '../core/errors.ts';
import type { Actor } from '../core/record.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { SessionEnds, SignInSettings } from '../store/entities.ts';
import { findSignIn } from '../store/people-queries.ts';
import type { StateDb } from '../store/store.ts';
import { checkReason } from './input.ts';

const HOUR = 3600;

/** What applies while nobody has said anything. */
const DEFAULTS: SignInSettings = {
  id: 'sign_in',
  browser: { idleSeconds: HOUR / 2, absoluteSeconds: 12 * HOUR },
  cli: { idleSeconds: 4 * HOUR, absoluteSeconds: 12 * HOUR },
  freshSeconds: 300,
};

const IDLE_MIN = 60;
const ABSOLUTE_MAX = 7 * 24 * HOUR;
const FRESH_MAX = HOUR;

export interface SignInChange {
  readonly browser?: Partial<SessionEnds> | undefined;
  readonly cli?: Partial<SessionEnds> | undefined;
  readonly freshSeconds?: number | undefined;
}

/** How long people stay signed in, and how lately they must have shown who they are for a sensitive act. */
export class SignIn {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;

  constructor(db: StateDb, changes: ChangeLog) {
    this.#db = db;
    this.#changes = changes;
  }

  async settings(): Promise<SignInSettings> {
    return (await findSignIn(this.#db)) ?? DEFAULTS;
  }

  /** Sessions that began before keep their ends. @throws PosternError POSTERN_INVALID */
  set(actor: Actor, change: SignInChange, reason: string): Promise<SignInSettings> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = (await findSignIn(db)) ?? null;
      const base = before ?? DEFAULTS;
      const after: SignInSettings = {
        id: 'sign_in',
        browser: ends({ ...base.browser, ...change.browser }),
        cli: ends({ ...base.cli, ...change.cli }),
        freshSeconds: change.freshSeconds ?? base.freshSeconds,
      };
      if (after.freshSeconds < 30 || after.freshSeconds > FRESH_MAX) {
        throw new PosternError('POSTERN_INVALID', `Sensitive acts are open for 30 to ${FRESH_MAX} seconds.`);
      }
      return {
        changes: [{ type: 'config.changed', entity: 'sign_in', before, after, reason: why }],
        result: after,
      };
    });
  }
}

function ends({ idleSeconds, absoluteSeconds }: SessionEnds): SessionEnds {
  if (idleSeconds >= IDLE_MIN && idleSeconds <= absoluteSeconds && absoluteSeconds <= ABSOLUTE_MAX) {
    return { idleSeconds, absoluteSeconds };
  }
  throw new PosternError(
    'POSTERN_INVALID',
    `A session ends after at least ${IDLE_MIN} seconds without a call, and after at most ${ABSOLUTE_MAX} seconds in any case; the first is not longer than the second.`,
  );
}
