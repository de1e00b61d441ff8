/**
 * Writes a workbook in the SpreadsheetML of ECMA-376, piece by piece: rows are never all in memory. The same sheets give the
 * same bytes on every machine, which is why the compression is a library in JavaScript: zlib's results differ between
 * processors.
 *
 * @see https://ecma-international.org/publications-and-standards/standards/ecma-376/ part 1, 18 (SpreadsheetML)
 */
import { Zip, ZipDeflate } from 'fflate';
import {
  cellXml,
  columnName,
  LONGEST_TEXT,
  pieces,
  STYLES,
  textCell,
  timeCell,
} from './spreadsheet-cells.ts';
import {
  CONTENT_TYPES,
  PACKAGE_RELS,
  STYLES_XML,
  sheetEnd,
  sheetStart,
  workbookRels,
  workbookXml,
} from './spreadsheet-parts.ts';

export type Cell = string | number | boolean | null;

export interface Column {
  readonly title: string;
  /** Whether what reads as a time is written as one. */
  readonly time?: boolean;
}

export interface Sheet {
  /** At most 25 characters, none of `[]:*?/\`, so that a number fits behind it. */
  readonly name: string;
  readonly columns: readonly Column[];
  readonly rows: Iterable<readonly Cell[]>;
}

/** Rows of a sheet, its header included. */
const MOST_ROWS = 1_048_576;
/** Rows by which the width of columns is found. */
const SAMPLE = 100;
const MOST_WIDTH = 60;
/** So much text is compressed at once. */
const CHUNK = 1 << 17;
/** Name of the sheet to which texts go on that are too long for a cell. */
export const LONG_TEXTS = 'long texts';

/** A text that is too long for a cell, and where it stands. */
interface LongText {
  readonly cell: string;
  readonly text: string;
}

/** A workbook that is being written. Sheets come in the order in which they are added. */
export class SpreadsheetWriter {
  readonly #zip: Zip;
  readonly #names: string[] = [];
  readonly #long: LongText[] = [];
  readonly #mostRows: number;

  /** @param write takes the next bytes of the file */
  constructor(write: (bytes: Uint8Array) => void, mostRows: number = MOST_ROWS) {
    this.#mostRows = mostRows;
    this.#zip = new Zip((error, bytes) => {
      if (error) throw error;
      write(bytes);
    });
    this.#put('[Content_Types].xml', [CONTENT_TYPES]);
    this.#put('_rels/.rels', [PACKAGE_RELS]);
    this.#put('xl/styles.xml', [STYLES_XML]);
  }

  /** Writes a sheet, and more of them where it has more rows than one can have. */
  add(sheet: Sheet): void {
    const rows = sheet.rows[Symbol.iterator]();
    let next = rows.next();
    for (let part = 1; part === 1 || !next.done; part++) {
      const name = part === 1 ? sheet.name : `${sheet.name} (${part})`;
      this.#names.push(name);
      const taken = function* (most: number): Generator<readonly Cell[]> {
        for (let left = most; !next.done && left > 0; left--) {
          yield next.value;
          next = rows.next();
        }
      };
      this.#put(
        `xl/worksheets/sheet${this.#names.length}.xml`,
        this.#sheet(name, sheet.columns, taken(this.#mostRows - 1)),
      );
    }
  }

  /** Writes what goes on elsewhere, and the list of sheets. */
  end(): void {
    if (this.#long.length > 0) this.add(longTexts(this.#long.splice(0)));
    this.#put('xl/workbook.xml', [workbookXml(this.#names)]);
    this.#put('xl/_rels/workbook.xml.rels', [workbookRels(this.#names.length)]);
    this.#zip.end();
  }

  *#sheet(name: string, columns: readonly Column[], rows: Iterator<readonly Cell[]>): Generator<string> {
    const sample: (readonly Cell[])[] = [];
    let next = rows.next();
    for (; !next.done && sample.length < SAMPLE; next = rows.next()) sample.push(next.value);
    yield sheetStart(columns.map((column, i) => widthOf(column, sample, i)));
    const names = columns.map((_, i) => columnName(i));
    const header = columns.map(({ title }, i) => textCell(`${names[i]}1`, title, STYLES.header)).join('');
    yield `<row r="1">${header}</row>`;
    let at = 1;
    for (const row of sample) yield this.#row(name, columns, names, row, ++at);
    for (; !next.done; next = rows.next()) yield this.#row(name, columns, names, next.value, ++at);
    yield sheetEnd(`A1:${names.at(-1) ?? 'A'}${at}`);
  }

  #row(
    sheet: string,
    columns: readonly Column[],
    names: readonly string[],
    row: readonly Cell[],
    at: number,
  ): string {
    let xml = `<row r="${at}">`;
    for (const [i, { time }] of columns.entries()) {
      const reference = `${names[i]}${at}`;
      const value = row[i] ?? null;
      if (typeof value === 'string' && value.length > LONGEST_TEXT) xml += this.#cut(sheet, reference, value);
      else if (time === true && typeof value === 'string') xml += timeCell(reference, value);
      else xml += cellXml(reference, value);
    }
    return `${xml}</row>`;
  }

  #cut(sheet: string, reference: string, text: string): string {
    const more = `\n[cut here: the whole text of ${text.length} characters is on the sheet "${LONG_TEXTS}"]`;
    this.#long.push({ cell: `${sheet}!${reference}`, text });
    const [beginning = ''] = pieces(text, LONGEST_TEXT - more.length);
    return textCell(reference, beginning + more, STYLES.text);
  }

  #put(path: string, texts: Iterable<string>): void {
    // The years of a zip begin in 1980. Of a date the zip has what a clock on the wall shows, so this is the same everywhere.
    const file = new ZipDeflate(path, { level: 6 });
    file.mtime = new Date(1980, 0, 1);
    this.#zip.add(file);
    let held = '';
    for (const text of texts) {
      held += text;
      if (held.length < CHUNK) continue;
      file.push(Buffer.from(held, 'utf8'));
      held = '';
    }
    file.push(Buffer.from(held, 'utf8'), true);
  }
}

function longTexts(long: readonly LongText[]): Sheet {
  return {
    name: LONG_TEXTS,
    columns: ['sheet and cell', 'part', 'of', 'text'].map((title) => ({ title })),
    rows: long.flatMap(({ cell, text }) => {
      const parts = pieces(text);
      return parts.map((part, i) => [cell, i + 1, parts.length, part]);
    }),
  };
}

/** In characters. */
function widthOf({ title, time }: Column, sample: readonly (readonly Cell[])[], i: number): number {
  let widest = title.length + 4;
  for (const row of sample) widest = Math.max(widest, String(row[i] ?? '').length + 2);
  return Math.min(widest, time === true ? 24 : MOST_WIDTH);
}
