import { PosternError } from '../core/errors.ts';
import type { RecordBase } from '../core/record.ts';
import type { Commitment, StoredKind } from './payloads.ts';

/** A leaf entry, parsed: what the sequencer put in front, and the record. */
export type LeafRecord = RecordBase & {
  readonly v: 1;
  readonly leaf: number;
  readonly principalSeq?: number;
  readonly payloads?: Partial<Record<StoredKind, Commitment>>;
} & Readonly<Record<string, unknown>>;

export interface Leaf {
  readonly index: number;
  /** The bytes that were hashed. */
  readonly entry: Buffer;
  /** The same, parsed (the order of its properties is not that of the bytes). */
  readonly record: LeafRecord;
}

/** Told of leaves in their order, without gaps, after they are safe on disk. */
export interface LeafConsumer {
  /** Takes leaves `[indexedSize(), ...)`. After a throw the same leaves come again. */
  consume(leaves: readonly Leaf[]): void;
  /** How many leaves it has, durably. */
  indexedSize(): number;
}

/** A consumer has leaves that the log has not: it belongs to another history (a restored backup). */
export class ConsumerAhead extends PosternError {
  constructor(has: number, size: number) {
    super(
      'POSTERN_INTERNAL',
      `The log contradicts itself: an index has ${has} leaves, the log ${size}.`,
      'Rebuild the index from the log.',
    );
  }
}
