import type { PayloadErased, Ref } from '../core/record.ts';
import type { LeafRecord } from '../ledger/leaf.ts';

/** An erasure of texts, as the log records it. */
export interface ErasureMember {
  readonly leaf: number;
  readonly id: string;
  readonly time: string;
  readonly by: Ref;
  readonly principal: Ref | null;
  readonly day: string;
  readonly kinds: readonly string[];
  /** How many texts. */
  readonly payloads: number;
  /** Null where it was every text of those kinds of that day. */
  readonly commitments: readonly string[] | null;
  /** The record that was named, where it was one. */
  readonly record: string | null;
  readonly cause: string;
  readonly reason: string;
}

/** The erasure that a leaf records; null where it records none. */
export function erasureOf(leaf: number, record: LeafRecord): ErasureMember | null {
  const { erasure, reason } = record as Partial<PayloadErased>;
  if (record.type !== 'payload.erased' || typeof erasure !== 'object' || erasure === null) return null;
  return {
    leaf,
    id: record.id,
    time: record.time,
    by: { id: record.actor.id, name: record.actor.name },
    principal: record.principal ?? null,
    day: String(erasure.day),
    kinds: list(erasure.kinds),
    payloads: Number(erasure.payloads),
    commitments: erasure.commitments === null ? null : list(erasure.commitments),
    record: erasure.record ?? null,
    cause: String(erasure.cause),
    reason: reason ?? '',
  };
}

/**
 * Finds the erasure of a text. It is filled from the package's own list of erasures, before the leaves are read; that list
 * is compared with the leaves afterwards, as every population is.
 */
export class ErasureClaims {
  readonly #days = new Map<string, number>();
  readonly #commitments = new Map<string, number>();

  add(row: Readonly<Record<string, unknown>>): void {
    const leaf = Number(row.leaf);
    const { id = '' } = (row.principal ?? {}) as { readonly id?: unknown };
    if (row.commitments === null) {
      for (const kind of list(row.kinds)) later(this.#days, dayKey(String(id), String(row.day), kind), leaf);
    } else {
      for (const commitment of list(row.commitments)) later(this.#commitments, commitment, leaf);
    }
  }

  /** Whether a text of a leaf was erased by a record after it. */
  covers({ leaf, principal, time }: LeafRecord, kind: string, commitment: string): boolean {
    const day = this.#days.get(dayKey(principal?.id ?? '', time.slice(0, 10), kind)) ?? -1;
    return Math.max(day, this.#commitments.get(commitment) ?? -1) > leaf;
  }
}

function dayKey(principal: string, day: string, kind: string): string {
  return `${principal}\n${day}\n${kind}`;
}

function later(map: Map<string, number>, key: string, leaf: number): void {
  map.set(key, Math.max(map.get(key) ?? -1, leaf));
}

function list(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
