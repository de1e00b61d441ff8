import { type CommandFacts, commandEvent } from '../../activity/ocsf/command-event.ts';
import type { OcsfContext } from '../../activity/ocsf/context.ts';
import { millis } from '../../activity/ocsf/shapes.ts';
import type { ShownCommandRow } from '../format.ts';
import { factsOf } from './event-facts.ts';
import type { RowScan } from './row-scan.ts';

/** Kinds of commands whose events are kept. */
const KINDS = 4096;

/** What of an event is of this one command, each as a value that no event has there. Whether that is so is looked at. */
const ID = '\u0001 id';
const TIME = '2222-02-22T22:22:22.222222Z';
const CODE = '\u0001 code';
const STATEMENT = '\u0001 statement';
const [LEAF, OUTCOME, ROWS, BYTES, DURATION] = [
  181818181818181, 272727272727272, 363636363636363, 454545454545454, 545454545454545,
] as const;
const OWN: readonly (readonly [value: string, text: (scan: RowScan) => string])[] = [
  [String(millis(TIME)), ({ time }) => String(millis(time))],
  [JSON.stringify(ID), ({ id }) => `"${id}"`],
  [String(LEAF), ({ leaf }) => leaf],
  [JSON.stringify(TIME), ({ time }) => `"${time}"`],
  [JSON.stringify(CODE), ({ code }) => code],
  [JSON.stringify(STATEMENT), ({ text, statement: { from, to } }) => text.slice(from - 1, to + 1)],
  [String(OUTCOME), ({ outcomeLeaf }) => outcomeLeaf],
  [String(ROWS), ({ rows }) => rows],
  [String(BYTES), ({ bytes }) => bytes],
  [String(DURATION), ({ durationUs }) => durationUs],
  [String(Math.round(DURATION / 1000)), ({ durationUs }) => String(Math.round(Number(durationUs) / 1000))],
];
const TEXTS = new Map(OWN);
const ALL = new RegExp(OWN.map(([value]) => value.replaceAll('\\', '\\\\')).join('|'), 'g');

/** The event of a kind of commands: pieces that all have in common, and what stands behind each but the last. */
interface Form {
  readonly session: unknown;
  readonly grant: unknown;
  readonly resource: unknown;
  readonly pieces: readonly string[];
  readonly own: readonly ((scan: RowScan) => string)[];
}

interface Kind {
  readonly row: ShownCommandRow;
  /** Null where there is none that holds. */
  form: Form | null;
}

/** The events of commands as lines, a character for each byte, without making them where one of the kind has been made. */
export class EventTexts {
  readonly #context: OcsfContext;
  readonly #kinds = new Map<string, Kind>();

  constructor(context: OcsfContext) {
    this.#context = context;
  }

  /** The line of a row that was scanned; null where it has to be made from the row. */
  line(scan: RowScan): string | null {
    const kind = this.#kinds.get(scan.kind) ?? this.#learn(scan);
    if (kind.form === null) return null;
    const { session, grant, resource } = kind.row;
    const { form } = kind;
    const same =
      this.#context.session(session) === form.session &&
      this.#context.grant(grant) === form.grant &&
      (resource === null || this.#context.resource(resource.id) === form.resource);
    if (!same) kind.form = this.#formOf(rowOf(scan), scan);
    return kind.form === null ? null : filled(kind.form, scan);
  }

  /** Looks at the first row of a kind, whether all is written as `JSON.stringify` would. */
  #learn(scan: RowScan): Kind {
    const row = rowOf(scan);
    const canonical = row.decision === 'allow' && bytesOf(JSON.stringify(row)) === scan.text;
    if (this.#kinds.size >= KINDS) this.#kinds.clear();
    const kind = { row, form: canonical ? this.#formOf(row, scan) : null };
    // What is kept has to be a copy: a piece of a text keeps all of it.
    this.#kinds.set(Buffer.from(scan.kind, 'latin1').toString('latin1'), kind);
    return kind;
  }

  /** Null where the event of the row has by chance what stands for others, or is not what comes out. */
  #formOf(row: ShownCommandRow, scan: RowScan): Form | null {
    const facts = factsOf(row, this.#context);
    const event = lineOf(facts, this.#context);
    if (event.search(ALL) >= 0) return null;
    const { record, outcome } = facts;
    const marked: CommandFacts = {
      ...facts,
      record: { ...record, id: ID, time: TIME, leaf: LEAF },
      statement: STATEMENT,
      outcome: outcome && {
        ...outcome,
        leaf: OUTCOME,
        code: CODE,
        rows: ROWS,
        bytes: BYTES,
        durationUs: DURATION,
      },
    };
    const text = lineOf(marked, this.#context);
    const form = {
      session: this.#context.session(row.session),
      grant: this.#context.grant(row.grant),
      resource: row.resource === null ? undefined : this.#context.resource(row.resource.id),
      pieces: text.split(ALL),
      own: (text.match(ALL) ?? []).map((value) => TEXTS.get(value) as Form['own'][number]),
    };
    return filled(form, scan) === event ? form : null;
  }
}

/** The row of a scan. */
function rowOf({ text }: RowScan): ShownCommandRow {
  return JSON.parse(Buffer.from(text, 'latin1').toString('utf8')) as ShownCommandRow;
}

function lineOf(facts: CommandFacts, context: OcsfContext): string {
  return bytesOf(`${JSON.stringify(commandEvent(facts, context))}\n`);
}

function filled({ pieces, own }: Form, scan: RowScan): string {
  let text = pieces[0] as string;
  for (let i = 0; i < own.length; i++) {
    text += (own[i] as Form['own'][number])(scan);
    text += pieces[i + 1] as string;
  }
  return text;
}

/** A character for each byte of UTF-8. */
function bytesOf(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
