import type { ChangeRecord } from '../../core/record.ts';
import type { LeafRecord } from '../../ledger/leaf.ts';

/** A record that is neither a command nor of a session: a row of `records`. */
export interface RecordRow {
  readonly leaf: number;
  readonly id: string;
  readonly time: string;
  readonly type: string;
  readonly actorKind: string | null;
  readonly actorId: string | null;
  readonly actor: string | null;
  readonly principalId: string | null;
  readonly principal: string | null;
  /** Of a change: what was changed, from what to what. */
  readonly entity: string | null;
  readonly thing: string | null;
  readonly before: unknown;
  readonly after: unknown;
  readonly reason: string | null;
  /** Whatever else it says. */
  readonly details: Readonly<Record<string, unknown>>;
}

export const RECORD_COLUMNS = [
  ...['leaf', 'id', 'time', 'type', 'actorKind', 'actorId', 'actor', 'principalId', 'principal', 'entity'],
  ...['thing', 'before', 'after', 'reason', 'details'],
] as const satisfies readonly (keyof RecordRow)[];

/** The row of a record; null for commands and sessions, which have tables of their own. */
export function recordRow(leaf: number, record: LeafRecord): RecordRow | null {
  const { type } = record;
  if (type.startsWith('command.') || type.startsWith('session.')) return null;
  const {
    v,
    leaf: index,
    principalSeq,
    payloads,
    id,
    time,
    actor,
    principal,
    change,
    reason,
    ...details
  } = record as LeafRecord & Partial<Pick<ChangeRecord, 'change' | 'reason'>> & Record<string, unknown>;
  return {
    leaf,
    id,
    time,
    type,
    actorKind: actor?.kind ?? null,
    actorId: actor?.id ?? null,
    actor: actor?.name ?? null,
    principalId: principal?.id ?? null,
    principal: principal?.name ?? null,
    entity: change?.entity ?? null,
    thing: change?.id ?? null,
    before: change?.before ?? null,
    after: change?.after ?? null,
    reason: typeof reason === 'string' ? reason : null,
    details,
  };
}
