/** Values as cells of a SpreadsheetML sheet. Every text is typed as a text, so that none is ever taken for a formula. */

/** What a cell of a spreadsheet may hold, in UTF-16 units. @see ECMA-376-1 annex on limits of SpreadsheetML applications */
export const LONGEST_TEXT = 32_767;
/** Indexes into `cellXfs` of the styles that `spreadsheet.ts` writes. */
export const STYLES = { plain: 0, header: 1, time: 2, text: 3, guarded: 4 } as const;

const DAY_MS = 86_400_000;
/** Days from the beginning of the spreadsheet's calendar to that of Unix. */
const EPOCH_DAYS = 25_569;
/** Before this day spreadsheets disagree about the calendar. */
const FIRST_DAY = 61;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/;
/** Larger whole numbers lose digits in a spreadsheet. */
const MOST_DIGITS = 999_999_999_999_999;
const FORMULA = /^\s*[=+\-@|%]/;

/** A cell as XML; nothing for a value that is not there. */
export function cellXml(reference: string, value: string | number | boolean | null): string {
  if (value === null || value === '') return '';
  if (typeof value === 'boolean') return `<c r="${reference}" t="b"><v>${value ? 1 : 0}</v></c>`;
  if (typeof value === 'number' && Number.isFinite(value) && Math.abs(value) <= MOST_DIGITS)
    return `<c r="${reference}"><v>${value}</v></c>`;
  return textCell(reference, String(value), STYLES.text);
}

/** A time as one that a spreadsheet can sort and subtract; as text where it is none. */
export function timeCell(reference: string, value: string): string {
  const serial = TIME.test(value) ? Date.parse(value) / DAY_MS + EPOCH_DAYS : Number.NaN;
  if (!(serial >= FIRST_DAY)) return cellXml(reference, value);
  return `<c r="${reference}" s="${STYLES.time}"><v>${serial}</v></c>`;
}

/** A text; one that would be a formula if somebody typed it keeps its apostrophe when it is edited. */
export function textCell(reference: string, text: string, style: number): string {
  const guarded = style === STYLES.text && FORMULA.test(text) ? STYLES.guarded : style;
  return `<c r="${reference}" s="${guarded}" t="inlineStr"><is><t xml:space="preserve">${textXml(text)}</t></is></c>`;
}

/**
 * A text as XML of the type ST_Xstring: what XML cannot hold is written as `_xHHHH_`, and what already reads so has its
 * underscore written that way.
 *
 * @see ECMA-376-1, 22.9.2.19
 */
export function textXml(text: string): string {
  return text
    .replace(/_(?=x[0-9A-Fa-f]{4}_)/g, '_x005F_')
    .replace(/[\p{Cc}\p{Cs}\ufffe\uffff]/gu, (c) => (representable(c.charCodeAt(0)) ? c : escaped(c)))
    .replace(/[&<>"]/g, (c) => ENTITIES[c] as string);
}

const escaped = (c: string): string => `_x${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}_`;

/** Of a control character or half a pair. A carriage return would come back as a line feed. */
const representable = (code: number): boolean =>
  code === 0x09 || code === 0x0a || (code >= 0x7f && code < 0xa0);

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Pieces of a text that fit into cells, cut between characters. */
export function pieces(text: string, most: number = LONGEST_TEXT): string[] {
  const all: string[] = [];
  for (let from = 0; from < text.length; ) {
    let to = Math.min(text.length, from + most);
    if (to < text.length && /[\ud800-\udbff]/.test(text[to - 1] as string)) to -= 1;
    all.push(text.slice(from, to));
    from = to;
  }
  return all;
}

/** `A`, `B`, ..., `Z`, `AA`, ... */
export function columnName(index: number): string {
  const last = String.fromCharCode(65 + (index % 26));
  return index < 26 ? last : columnName(Math.floor(index / 26) - 1) + last;
}
