/** A thread that writes a journal at a steady rate, and then says so: the gateway's part of `bench/ledger.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { JournalWriter } from '../../src/ledger/journal.ts';
import { type BenchRecord, recordMaker } from './records.ts';

export interface Load {
  readonly dir: string;
  readonly perSecond: number;
  readonly seconds: number;
  /** Whether each statement has bind values of its own. */
  readonly withValues: boolean;
}

/** Records in one flush, about as many as a busy worker has in one turn. */
const PER_FLUSH = 50;
const TURN_MS = 2;

/** The same statement with values that no other has. */
function withFresh(payloads: BenchRecord['payloads'], n: number): BenchRecord['payloads'] {
  const [statement] = payloads ?? [];
  return (
    statement && [statement, { kind: 'parameters', data: Buffer.from(`[{"text":"${n}"},{"text":"7"}]`) }]
  );
}

if (parentPort !== null) {
  const { dir, perSecond, seconds, withValues } = workerData as Load;
  const writer = JournalWriter.create(dir, 'load');
  // What it takes to make a record is not the journal's: the same ones are written again and again, with times of their own.
  const make = recordMaker(withValues);
  const made = Array.from({ length: 2000 }, make);
  const start = performance.now();
  let written = 0;
  const turn = (): void => {
    const elapsed = Math.min((performance.now() - start) / 1000, seconds);
    const time = `"time":"${new Date().toISOString().slice(0, -1)}000Z"`;
    while (written < elapsed * perSecond) {
      for (let i = 0; i < PER_FLUSH; i++, written++) {
        const { json, payloads } = made[written % made.length] as (typeof made)[number];
        writer.append(
          json.replace(/"time":"[^"]*"/, time),
          withValues ? withFresh(payloads, written) : payloads,
        );
      }
      writer.flush();
    }
    if (elapsed < seconds) setTimeout(turn, TURN_MS);
    else {
      writer.close();
      parentPort?.postMessage(written);
    }
  };
  turn();
}
