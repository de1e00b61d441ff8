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
 * violations (23) the text names the constraint; the values are in its detail.
 *
 * @see https://www.postgresql.org/docs/18/errcodes-appendix.html
 */
const NAMES_ONLY: ReadonlySet<string> = new Set([
  '00',
  '01',
  '02',
  '03',
  '08',
  '0A',
  '23',
  '25',
  '26',
  '28',
  '2D',
  '34',
  '3B',
  '3D',
  '3F',
  '40',
  '42',
  '53',
  '54',
  '55',
  '57',
  '58',
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
  const namesOnly = NAMES_ONLY.has((fields.get('C') ?? '').slice(0, 2)) && !inside;
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
