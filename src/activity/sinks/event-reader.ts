import type { LeafRecord } from '../../ledger/leaf.ts';
import type { PublishedLog } from '../../ledger/published-log.ts';
import { RecordEvents } from '../ocsf/record-event.ts';
import type { Batch, SinkEvent } from './batch.ts';

const MOST_EVENTS = 500;
const MOST_TEXT = 1 << 20;
/** Leaves before the first one of a sink in which intents are looked for that are answered behind it. */
const INTENTS_BEFORE = 4096;
/** Leaves between two pauses. */
const PAUSE = 4096;

const TYPE = Buffer.from('"type":"');
const COMMAND = Buffer.from('command.');

/** Reads the released log from some leaf on, as events. */
export class EventReader {
  readonly #log: PublishedLog;
  readonly #events = new RecordEvents();
  #next: number;

  private constructor(log: PublishedLog, from: number) {
    this.#log = log;
    this.#next = from;
  }

  /** Goes through what is before the first leaf, for who owns what and under which grant: nothing of it is told. */
  static async open(log: PublishedLog, from: number, pause: () => Promise<void>): Promise<EventReader> {
    const reader = new EventReader(log, from);
    for (let at = 0; at < from; at += PAUSE) {
      // Up to the end of the log: how wide its last bundle is follows from there.
      for (const { index, entry } of log.leaves(at, Number.POSITIVE_INFINITY)) {
        if (index >= Math.min(from, at + PAUSE)) break;
        if (index >= from - INTENTS_BEFORE || !isCommand(entry)) {
          reader.#events.remember(JSON.parse(entry.toString('utf8')) as LeafRecord);
        }
      }
      await pause();
    }
    return reader;
  }

  /** The next events; null where the log has none yet. */
  read(): Batch | null {
    const from = this.#next;
    const events: SinkEvent[] = [];
    let length = 0;
    for (const { entry } of this.#log.leaves(from, Number.POSITIVE_INFINITY)) {
      const record = JSON.parse(entry.toString('utf8')) as LeafRecord;
      const event = this.#events.event(record);
      const json = JSON.stringify(event);
      const { leaf, type, time, principal } = record;
      const key = principal?.id ?? type;
      events.push({ event, json, leaf, key, type, time, refused: event.severity_id !== 1 });
      length += json.length;
      if (events.length === MOST_EVENTS || length >= MOST_TEXT) break;
    }
    if (events.length === 0) return null;
    this.#next = from + events.length;
    return { from, next: this.#next, events };
  }
}

function isCommand(entry: Buffer): boolean {
  // No text that anybody chose stands before the type of a record.
  const at = entry.indexOf(TYPE) + TYPE.length;
  return entry.compare(COMMAND, 0, COMMAND.length, at, at + COMMAND.length) === 0;
}
