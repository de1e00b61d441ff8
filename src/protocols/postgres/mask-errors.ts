/**
 * Errors and notices that may quote masked values. What cannot hold a value goes on as it is; of the rest the client learns that there was something.
 *
 * @see https://www.postgresql.org/docs/18/protocol-error-fields.html
 */
import { maskContent } from '../../masking/content.ts';
import type { ContentMask } from '../../masking/rules.ts';
import { cstring, errorFields, message } from './wire.ts';

/**
 * Classes of SQLSTATE in whose texts PostgreSQL puts names and numbers of the statement, but no values of a table. Among integrity
 * violations (23) the text names the constraint; the values are in its detail. Not among them: those of names that are not there
 * (0A, 34, 3D, 3F, 42), which a cast to `regclass` and functions that take a name say of values.
 *
 * @see https://www.postgresql.org/docs/18/errcodes-appendix.html
 */
const NAMES_ONLY: ReadonlySet<string> = new Set([
  '00',
  '01',
  '02',
  '03',
  '08',
  '23',
  '25',
  '26',
  '28',
  '2D',
  '3B',
  '40',
  '53',
  '54',
  '55',
  '57',
  '58',
]);

/** The classes of names: while a statement is read, the error says where in its text; once it runs it does not. */
const NAMES_IN_TEXT: ReadonlySet<string> = new Set(['0A', '3F', '42']);

/** Of these classes, what no function says of a value: privileges, duplicates, generated columns, arbiters. */
const OF_STATEMENTS: ReadonlySet<string> = new Set([
  '42501',
  '42701',
  '42710',
  '42P07',
  '42P10',
  '42P16',
  '428C9',
]);

/** Fields that may hold text with values: message, detail, hint, internal query, context. */
const TEXTS: ReadonlySet<string> = new Set(['M', 'D', 'H', 'q', 'W']);

/** What stands in the place of such a text. */
const WITHHELD = 'postern: the text of this message is withheld, since it may quote masked values';

/**
 * An ErrorResponse or NoticeResponse without what it may not show; null where nothing has to change.
 *
 * @param sensitive the statement, or a function or trigger it runs, may read a masked column
 */
export function maskMessage(
  buffer: Buffer,
  start: number,
  end: number,
  sensitive: boolean,
  content: readonly ContentMask[],
): Buffer | null {
  const fields = errorFields(buffer, start, end);
  // Code that runs inside the server may say anything under any code: RAISE, and errors of what it executes.
  const inside = fields.has('W') || fields.has('q') || fields.get('R') === 'exec_stmt_raise';
  const state = fields.get('C') ?? '';
  const group = state.slice(0, 2);
  const ofText = OF_STATEMENTS.has(state) || (NAMES_IN_TEXT.has(group) && fields.has('P'));
  const namesOnly = (NAMES_ONLY.has(group) || ofText) && !inside;
  let changed = false;
  const parts: Buffer[] = [];
  for (const [code, value] of fields) {
    let shown: string | null = value;
    if (TEXTS.has(code)) {
      if (sensitive && code === 'M') shown = namesOnly ? value : WITHHELD;
      else if (sensitive) shown = namesOnly && code === 'H' ? value : null;
      if (shown !== null && shown === value) {
        const found = maskContent(content, 'text', value);
        // A mask that asks for NULL has no text to show.
        if (found !== null) shown = found.text ?? WITHHELD;
      }
    }
    if (shown !== value) changed = true;
    if (shown !== null) parts.push(cstring(code + shown));
  }
  return changed ? message(buffer[start] as number, ...parts, Buffer.alloc(1)) : null;
}
