import type { LeafRecord } from '../ledger/leaf.ts';

/** A journal of which something is missing, as the log itself records it: records that it had are not in the log. */
export interface LossMember {
  readonly leaf: number;
  readonly time: string;
  /** Name of the journal. */
  readonly file: string;
  /** Byte up to which it is in the log. */
  readonly offset: number;
  /** `missing`: the file was gone; `shorter`: it ended before what is in the log of it. */
  readonly what: string;
}

/** The losses that a leaf records, most often none. */
export function lossesOf(leaf: number, record: LeafRecord): readonly LossMember[] {
  const { lost } = record as { readonly lost?: unknown };
  if (record.type !== 'ledger.recovered' || !Array.isArray(lost)) return [];
  return lost.map((loss: Partial<Record<'file' | 'offset' | 'what', unknown>> | null) => ({
    leaf,
    time: record.time,
    file: String(loss?.file),
    offset: Number(loss?.offset),
    what: String(loss?.what),
  }));
}

/** What was lost, in one sentence without its end. */
export function lossWords({ file, offset, what }: LossMember): string {
  return what === 'shorter'
    ? `the journal ${file} ended before offset ${offset}, up to which it is in the log`
    : `the journal ${file} was gone when it had been read up to offset ${offset}: what it had more is not in the log`;
}
