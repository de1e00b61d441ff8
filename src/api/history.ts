import { isDeepStrictEqual } from 'node:util';
import { Type } from 'typebox';
import type { LifeRecord } from '../activity/activity.ts';
import { orNull } from './schemas.ts';

const Text = Type.String();

/** One step in the life of a principal. */
export const Step = Type.Object({
  leaf: Type.Integer(),
  id: Text,
  time: Text,
  type: Text,
  actor: Type.Object({ kind: Text, id: Text, name: Text }),
  reason: orNull(Text),
  changes: Type.Array(Type.Object({ field: Text, before: Type.Any(), after: Type.Any() })),
  notice: orNull(Text),
});

/** What a change record says happened: which fields were what before and after; of a notice, its text. */
export function stepOf(record: LifeRecord) {
  const { leaf, id, time, type, actor, reason = null, change } = record;
  const notice = change.entity === 'notice';
  const before = (change.before ?? {}) as Record<string, unknown>;
  const after = change.after as Record<string, unknown>;
  const fields = notice || change.before === null ? [] : Object.keys(after);
  const changes = fields
    .filter((field) => field !== 'statusReason' && !isDeepStrictEqual(before[field], after[field]))
    .map((field) => ({ field, before: before[field] ?? null, after: after[field] ?? null }));
  return { leaf, id, time, type, actor, reason, changes, notice: notice ? String(after.text) : null };
}

export type HistoryStep = ReturnType<typeof stepOf>;
