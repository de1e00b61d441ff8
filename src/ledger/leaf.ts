import type { RecordBase } from '../core/record.ts';
import type { Commitment, StoredKind } from './payload-seal.ts';

/** A leaf entry, parsed: what the sequencer put in front, and the record. */
export type LeafRecord = RecordBase & {
  readonly v: 1;
  readonly leaf: number;
  readonly principalSeq?: number;
  readonly payloads?: Partial<Record<StoredKind, Commitment>>;
} & Readonly<Record<string, unknown>>;
