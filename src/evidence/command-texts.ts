import { csvCell, csvLine } from './csv.ts';
import type { CommandRow, PayloadShown, PayloadsShown } from './format.ts';
import type { Shared } from './record-reader.ts';

/** Columns of the CSV that say how this one command came and went; between and after them those that many have in common. */
const BEGIN = ['leaf', 'outcomeLeaf', 'id', 'time'] as const;
const COMMON = [
  ...([
    'decision',
    'principal',
    'owner',
    'resource',
    'grant',
    'approvers',
    'ticket',
    'justification',
  ] as const),
  ...(['verbs', 'objects', 'why'] as const),
] as const;
const RESULT = ['status', 'code', 'rows', 'bytes', 'durationUs'] as const;
const END = ['session', 'fingerprint'] as const;

export const COMMANDS_HEADER: string = csvLine([
  ...[...BEGIN, ...COMMON, ...RESULT, ...END],
  ...['statement', 'parameters'],
]);

/** Texts of the part of a row that follows from what its leaf has in common with others, and from who answers for it. */
export interface Middle {
  readonly row: CommandRow;
  readonly json: string;
  readonly common: string;
  readonly end: string;
}

/** The rows of commands as they are written: as JSON, and as lines of CSV. Parts that come again are kept. */
export class CommandTexts {
  readonly #middles = new WeakMap<Shared, Middle>();

  /** A row as JSON up to its payloads, which follow, and a brace; in pieces. Together what `JSON.stringify` makes of it. */
  beginning(row: CommandRow, shared: Shared | null): readonly string[] {
    const { leaf, outcomeLeaf, id, time, status, code, rows, bytes, durationUs } = row;
    return [
      `{"leaf":${leaf},"outcomeLeaf":${outcomeLeaf},"id":${text(id)},"time":${text(time)},`,
      this.#middle(row, shared).json,
      `,"status":${text(status)},"code":${text(code)},"rows":${text(rows)},"bytes":${text(bytes)},`,
      `"durationUs":${text(durationUs)},"payloads":`,
    ];
  }

  /** A row as a line of CSV, in pieces. */
  line(row: CommandRow, payloads: PayloadsShown, shared: Shared | null): readonly string[] {
    const { common, end } = this.#middle(row, shared);
    return [
      cells(row, BEGIN),
      common,
      cells(row, RESULT),
      end,
      `${csvCell(payloadText(payloads.statement))},${csvCell(payloadText(payloads.parameters))}\r\n`,
    ];
  }

  /** What was written last of a command whose leaf has that in common with others. */
  known(shared: Shared): Middle | undefined {
    return this.#middles.get(shared);
  }

  #middle(row: CommandRow, shared: Shared | null): Middle {
    const known = shared === null ? undefined : this.#middles.get(shared);
    if (known !== undefined && sameAuthority(known.row, row)) return known;
    const { decision, principal, owner, session, resource, grant, approvers, ticket, justification } = row;
    const { verbs, objects, fingerprint, why } = row;
    const authority = {
      decision,
      principal,
      owner,
      session,
      resource,
      grant,
      approvers,
      ticket,
      justification,
    };
    const json = JSON.stringify({ ...authority, verbs, objects, fingerprint, why }).slice(1, -1);
    const middle = { row, json, common: cells(row, COMMON), end: cells(row, END) };
    if (shared !== null) this.#middles.set(shared, middle);
    return middle;
  }
}

/** What of a row does not follow from its leaf alone. */
export function sameAuthority(
  a: Pick<CommandRow, 'owner' | 'approvers' | 'ticket' | 'justification'>,
  b: Pick<CommandRow, 'owner' | 'approvers' | 'ticket' | 'justification'>,
): boolean {
  return (
    a.owner?.id === b.owner?.id &&
    a.owner?.name === b.owner?.name &&
    a.approvers === b.approvers &&
    a.ticket === b.ticket &&
    a.justification === b.justification
  );
}

/** Cells, each with a comma behind it. */
function cells(row: CommandRow, columns: readonly (keyof CommandRow)[]): string {
  let line = '';
  for (const column of columns) line += `${csvCell(row[column])},`;
  return line;
}

function text(value: unknown): string {
  return Number.isSafeInteger(value) || value === null ? String(value) : JSON.stringify(value);
}

/** The text of a payload, or in brackets why there is none; null where the command has no such payload. */
export function payloadText(shown: PayloadShown | undefined): string | null {
  // What stands in a package may be anything.
  if (typeof shown !== 'object' || shown === null) return null;
  if ('text' in shown) return shown.text;
  if ('masked' in shown) return `[masked] ${shown.masked}`;
  return 'base64' in shown ? `[base64] ${shown.base64}` : `[${shown.absent}]`;
}
