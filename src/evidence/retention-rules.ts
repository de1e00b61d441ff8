import type { ChangeRecord, Ref } from '../core/record.ts';
import type { LeafRecord } from '../ledger/leaf.ts';

/** How long texts are kept from a record on, in days after the end of their day; null: for ever. */
export interface RetentionMember {
  readonly leaf: number;
  readonly id: string;
  readonly time: string;
  readonly by: Ref;
  readonly statements: number | null;
  readonly parameters: number | null;
  /** By the classification of the resource, where it differs. */
  readonly classifications: Readonly<Record<string, unknown>>;
}

/** The rule that a change record makes; null where it is about something else. */
export function retentionOf(leaf: number, record: LeafRecord & ChangeRecord): RetentionMember | null {
  const { entity, after } = record.change;
  if (entity !== 'retention') return null;
  const { statements = null, parameters = null, classifications = {} } = after as Partial<RetentionMember>;
  return {
    leaf,
    id: record.id,
    time: record.time,
    by: { id: record.actor.id, name: record.actor.name },
    statements,
    parameters,
    classifications,
  };
}
