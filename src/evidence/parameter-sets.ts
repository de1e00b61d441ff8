import type { ChangeRecord, Ref } from '../core/record.ts';
import type { LeafRecord } from '../ledger/leaf.ts';

/** The institution's values of what frameworks leave to it, from a record on until the next. */
export interface ParameterSetMember {
  readonly leaf: number;
  readonly id: string;
  readonly time: string;
  readonly by: Ref;
  readonly revision: number;
  /** Of the text, hex. */
  readonly sha256: string;
  /** YAML, docs/frameworks.md. */
  readonly text: string;
}

/** The values that a change record sets; null where it is about something else. */
export function parameterSetOf(leaf: number, record: LeafRecord & ChangeRecord): ParameterSetMember | null {
  const { entity, after } = record.change;
  if (entity !== 'parameters') return null;
  const { revision, sha256, text } = after as Partial<ParameterSetMember>;
  return {
    leaf,
    id: record.id,
    time: record.time,
    by: { id: record.actor.id, name: record.actor.name },
    revision: Number(revision),
    sha256: String(sha256),
    text: String(text),
  };
}
