import type { Ref } from '../core/record.ts';
import type { LeafRecord } from '../ledger/leaf.ts';
import { lossesOf, lossWords } from './losses.ts';

/** Something that tells whether the log is whole, who could read and sign it, and when it was being written. */
export interface LogHealthMember {
  readonly leaf: number;
  /** Of the record; with a number behind it where one record tells of several. */
  readonly id: string;
  readonly time: string;
  readonly kind: LogHealthKind;
  readonly by: Ref;
  /** The principal that it is about, where it is about one. */
  readonly principal: Ref | null;
  /** Since when, where it was so for a time that ended at `time`. */
  readonly since: string | null;
  /** What happened, in one sentence without its end. */
  readonly what: string;
}

export type LogHealthKind =
  | 'opened'
  | 'started'
  | 'stopped'
  | 'recovered'
  | 'not_recording'
  | 'lost'
  | 'repeated'
  | 'corrected'
  | 'signing_key'
  | 'master_key'
  | 'retention'
  | 'legal_hold'
  | 'erasure'
  | 'export';

interface Told {
  readonly kind: LogHealthKind;
  readonly what: string;
  readonly since?: string;
}

type Fields = Readonly<Record<string, unknown>>;

/** Folds the records of the log about itself. */
export class LogHealth {
  readonly #all: LogHealthMember[] = [];
  /** When the service was stopped, as long as it has not started again. */
  #stopped: string | null = null;

  get rows(): readonly LogHealthMember[] {
    return this.#all;
  }

  take(leaf: number, record: LeafRecord): void {
    const told = this.#told(leaf, record);
    for (const [at, { kind, what, since }] of told.entries()) {
      this.#all.push({
        leaf,
        id: at === 0 ? record.id : `${record.id}/${at}`,
        time: record.time,
        kind,
        by: { id: record.actor.id, name: record.actor.name },
        principal: record.principal ?? null,
        since: since ?? null,
        what,
      });
    }
  }

  #told(leaf: number, record: LeafRecord): readonly Told[] {
    const fields = record as unknown as Fields;
    switch (record.type) {
      case 'ledger.opened':
        return [{ kind: 'opened', what: `the log began, with the verifier key ${String(fields.vkey)}` }];
      case 'service.started':
        return [this.#started(fields)];
      case 'service.stopped':
        this.#stopped = record.time;
        return [{ kind: 'stopped', what: 'Postern was stopped' }];
      case 'ledger.recovered':
        return recovered(leaf, record, fields);
      case 'ledger.key.rotated':
        return [{ kind: 'signing_key', what: `the log's signing keys were changed${because(fields)}` }];
      case 'vault.key.rotated':
        return [{ kind: 'master_key', what: `the master key was changed${because(fields)}` }];
      case 'retention.changed':
        return [{ kind: 'retention', what: `how long texts are kept was changed${because(fields)}` }];
      case 'legal_hold.placed':
        return [{ kind: 'legal_hold', what: `a legal hold was placed${because(fields)}` }];
      case 'legal_hold.released':
        return [{ kind: 'legal_hold', what: `a legal hold was released${because(fields)}` }];
      case 'payload.erased':
        return [{ kind: 'erasure', what: erased(fields) }];
      case 'evidence.exported':
        return [{ kind: 'export', what: `an evidence package was taken: ${JSON.stringify(fields.params)}` }];
      default:
        return [];
    }
  }

  #started(fields: Fields): Told {
    const { version } = (fields.service ?? {}) as { readonly version?: unknown };
    const since = this.#stopped;
    this.#stopped = null;
    const what = `Postern ${String(version)} was started`;
    return since === null ? { kind: 'started', what } : { kind: 'started', what, since };
  }
}

function recovered(leaf: number, record: LeafRecord, fields: Fields): readonly Told[] {
  if (Array.isArray(fields.lost)) {
    return lossesOf(leaf, record).map((loss) => ({ kind: 'lost', what: lossWords(loss) }));
  }
  if (Array.isArray(fields.repeated)) {
    const what = 'journals had records a second time, which were not put into the log again';
    return [{ kind: 'repeated', what }];
  }
  if (fields.corrected !== undefined) {
    const what = `${String(fields.corrected)} numbers of principals that the sequencer remembered wrongly were put right from the log`;
    return [{ kind: 'corrected', what }];
  }
  if (typeof fields.writer === 'string') {
    const what = `${fields.writer} could not write records and let nothing through: ${String(fields.reason)}`;
    return [{ kind: 'not_recording', what, since: String(fields.since) }];
  }
  return [
    {
      kind: 'recovered',
      what: `the log went on after an end that was not clean, at ${String(fields.size)} leaves`,
    },
  ];
}

function erased(fields: Fields): string {
  const { payloads, day, cause } = (fields.erasure ?? {}) as Fields;
  return `${String(payloads)} texts of ${String(day)} were destroyed (${String(cause)})${because(fields)}`;
}

function because({ reason }: Fields): string {
  return typeof reason === 'string' && reason !== '' ? `: ${reason}` : '';
}
