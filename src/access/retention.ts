import { PosternError } from '../core/errors.ts';
import type { Actor } from '../core/record.ts';
import { checkText } from '../identity/input.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { Keep, RetentionPolicy } from '../store/entities.ts';
import { findRetention } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';

/** A hundred years: whoever means longer means for ever. */
const MOST_DAYS = 36_500;
const MOST_CLASSIFICATIONS = 100;

/** What applies while nobody has said anything. */
const KEEP_ALL: RetentionPolicy = {
  id: 'retention',
  statements: null,
  parameters: null,
  classifications: {},
};

export interface RetentionChange {
  /** The classification of resources that it is about; absent: the default. */
  readonly classification?: string | undefined;
  /** Days; null: for ever; absent: as it was. */
  readonly statements?: number | null | undefined;
  readonly parameters?: number | null | undefined;
  /** Takes away what was said of the classification, so that the default applies. */
  readonly unset?: boolean | undefined;
}

/** How long texts are kept. */
export class Retention {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;

  constructor(db: StateDb, changes: ChangeLog) {
    this.#db = db;
    this.#changes = changes;
  }

  async policy(): Promise<RetentionPolicy> {
    return (await findRetention(this.#db)) ?? KEEP_ALL;
  }

  /** @throws PosternError POSTERN_INVALID */
  set(actor: Actor, input: RetentionChange): Promise<RetentionPolicy> {
    return this.#changes.run(actor, async (db) => {
      const before = (await findRetention(db)) ?? null;
      const after = changed(before ?? KEEP_ALL, input);
      return {
        changes: [{ type: 'retention.changed', entity: 'retention', before, after }],
        result: after,
      };
    });
  }
}

function changed(policy: RetentionPolicy, input: RetentionChange): RetentionPolicy {
  const { classification, unset = false } = input;
  const says = input.statements !== undefined || input.parameters !== undefined;
  if (says === unset || (unset && classification === undefined)) {
    throw new PosternError(
      'POSTERN_INVALID',
      'Say how long statements or parameters are kept, or which classification follows the default again.',
    );
  }
  if (classification === undefined) return { ...policy, ...kept(policy, input) };
  const name = checkText(classification, 'classification', 200);
  const others = Object.entries(policy.classifications).filter(([key]) => key !== name);
  const own = Object.hasOwn(policy.classifications, name) ? policy.classifications[name] : undefined;
  const classifications = unset ? others : [...others, [name, kept(own ?? policy, input)] as const];
  if (classifications.length > MOST_CLASSIFICATIONS) {
    throw new PosternError(
      'POSTERN_INVALID',
      `At most ${MOST_CLASSIFICATIONS} classifications have their own.`,
    );
  }
  return { ...policy, classifications: Object.fromEntries(classifications) };
}

function kept(before: Keep, { statements, parameters }: RetentionChange): Keep {
  return {
    statements: statements === undefined ? before.statements : days(statements),
    parameters: parameters === undefined ? before.parameters : days(parameters),
  };
}

function days(value: number | null): number | null {
  if (value === null || (Number.isInteger(value) && value >= 1 && value <= MOST_DAYS)) return value;
  throw new PosternError('POSTERN_INVALID', `Texts are kept for 1 to ${MOST_DAYS} days, or for ever.`);
}
