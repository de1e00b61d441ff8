import type { SinkRecord } from '../core/record.ts';
import type { LeafRecord } from '../ledger/leaf.ts';

/** What the log says of how far a sink came, and how often it failed. */
export interface SinkDelivery {
  /** Every leaf before this one was delivered, as was said last; null where nothing was. */
  readonly deliveredBefore: number | null;
  /** When events were taken last, as was said last. */
  readonly deliveredAt: string | null;
  readonly rejected: number;
  readonly failures: number;
  readonly lastFailure: string | null;
  readonly lastFailureAt: string | null;
  /** Since when it fails; null where it recovered, or never failed. */
  readonly failingSince: string | null;
}

const NOTHING: SinkDelivery = {
  deliveredBefore: null,
  deliveredAt: null,
  rejected: 0,
  failures: 0,
  lastFailure: null,
  lastFailureAt: null,
  failingSince: null,
};

/** Folds what is recorded of sinks beside their changes. */
export class SinkDeliveries {
  readonly #all = new Map<string, SinkDelivery>();

  take(record: LeafRecord): void {
    const { sink, delivery } = record as unknown as Partial<SinkRecord>;
    if (sink === undefined || delivery === undefined) return;
    const before = this.of(sink.id);
    const said = {
      ...before,
      deliveredBefore: delivery.next,
      deliveredAt: delivery.at,
      rejected: Math.max(before.rejected, delivery.rejected),
    };
    if (record.type === 'sink.failed') {
      this.#all.set(sink.id, {
        ...said,
        failures: before.failures + 1,
        lastFailure: delivery.fault ?? null,
        lastFailureAt: record.time,
        failingSince: delivery.failingSince ?? record.time,
      });
    } else if (record.type === 'sink.recovered') this.#all.set(sink.id, { ...said, failingSince: null });
    else if (record.type === 'sink.delivered') this.#all.set(sink.id, said);
  }

  of(id: string): SinkDelivery {
    return this.#all.get(id) ?? NOTHING;
  }
}
