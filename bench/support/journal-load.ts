/** A thread that writes a journal at a steady rate, and then says so: the gateway's part of `bench/ledger.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { uuidv7 } from '../../src/core/ids.ts';
import { nowMicros, rfc3339 } from '../../src/core/time.ts';
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

/** The same record with an id and a time of its own, for which it was made; an outcome is that of the record before. */
class Renewed {
  #before = '';

  next(json: string, time: string): string {
    const id = uuidv7();
    const at = json.indexOf(INTENT);
    const rest =
      at < 0
        ? json.slice(HEAD)
        : json.slice(HEAD, at + INTENT.length) + this.#before + json.slice(at + INTENT.length + ID);
    this.#before = id;
    return `{"id":"${id}","time":"${time}",${rest}`;
  }
}

const ID = 36;
const HEAD = '{"id":"","time":"",'.length + ID + '2026-11-21T19:30:00.000000Z'.length;
const INTENT = '"intent":"';

if (parentPort !== null) {
  const { dir, perSecond, seconds, withValues } = workerData as Load;
  const writer = JournalWriter.create(dir, 'load');
  // What it takes to make a record is not the journal's: the same ones are written again and again, with ids and times of their own.
  const make = recordMaker(withValues);
  const made = Array.from({ length: 2000 }, make);
  const renewed = new Renewed();
  const start = performance.now();
  let written = 0;
  const turn = (): void => {
    const elapsed = Math.min((performance.now() - start) / 1000, seconds);
    const time = rfc3339(nowMicros());
    while (written < elapsed * perSecond) {
      for (let i = 0; i < PER_FLUSH; i++, written++) {
        const { json, payloads } = made[written % made.length] as (typeof made)[number];
        writer.append(renewed.next(json, time), withValues ? withFresh(payloads, written) : payloads);
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
