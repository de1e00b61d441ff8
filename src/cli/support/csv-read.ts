import { CliError } from './failure.ts';

/** A record of a CSV file, with the line in which it begins. */
export interface CsvRecord {
  readonly line: number;
  readonly cells: readonly string[];
}

const CELLS_MAX = 100;

/**
 * The records of a CSV text. Lines end with CR LF or LF; a byte-order mark at the beginning and empty lines are passed over.
 *
 * @see https://www.rfc-editor.org/rfc/rfc4180#section-2
 * @throws CliError that says in which line it is malformed
 */
export function readCsv(text: string): CsvRecord[] {
  const records: CsvRecord[] = [];
  let at = text.startsWith('\uFEFF') ? 1 : 0;
  let line = 1;
  while (at < text.length) {
    const cells: string[] = [];
    const begin = line;
    for (let more = true; more; ) {
      const cell = text[at] === '"' ? quoted(text, at, line) : plain(text, at, line);
      cells.push(cell.value);
      if (cells.length > CELLS_MAX) throw malformed(begin, `has more than ${CELLS_MAX} cells`);
      line += cell.lines;
      at = cell.end;
      more = text[at] === ',';
      if (more) at += 1;
    }
    if (text.startsWith('\r\n', at)) at += 2;
    else if (text[at] === '\n') at += 1;
    else if (at < text.length) throw malformed(line, 'has something behind a quoted cell');
    line += 1;
    if (cells.length > 1 || cells[0] !== '') records.push({ line: begin, cells });
  }
  return records;
}

interface Cell {
  readonly value: string;
  readonly end: number;
  /** Line ends within it. */
  readonly lines: number;
}

const PLAIN = /[^",\r\n]*/y;

function plain(text: string, at: number, line: number): Cell {
  PLAIN.lastIndex = at;
  const value = PLAIN.exec(text)?.[0] ?? '';
  const end = at + value.length;
  if (text[end] === '"') throw malformed(line, 'has a quote within a cell that does not begin with one');
  if (text[end] === '\r' && text[end + 1] !== '\n') throw malformed(line, 'has a CR without an LF');
  return { value, end, lines: 0 };
}

function quoted(text: string, at: number, line: number): Cell {
  const parts: string[] = [];
  let from = at + 1;
  for (;;) {
    const quote = text.indexOf('"', from);
    if (quote < 0) throw malformed(line, 'begins a quoted cell that does not end');
    parts.push(text.slice(from, quote));
    if (text[quote + 1] !== '"') {
      const value = parts.join('"');
      return { value, end: quote + 1, lines: value.split('\n').length - 1 };
    }
    from = quote + 2;
  }
}

const malformed = (line: number, why: string): CliError =>
  new CliError('CLI_MALFORMED_CSV', `line ${line} ${why}`);

/** What a spreadsheet takes for the beginning of a formula, with the apostrophes that were put in front. */
const GUARDED = /^'+\s*[=+\-@|\t\r\n\uff1d\uff0b\uff0d\uff20]/;

/** Text that looks as if it had been guarded gets one more apostrophe, so that taking one away gives what was there. */
export const guard = (text: string): string => (GUARDED.test(text) ? `'${text}` : text);

/** Undoes what `guard` and `csvField` put in front of a text that a spreadsheet would run. */
export const unguard = (text: string): string => (GUARDED.test(text) ? text.slice(1) : text);
