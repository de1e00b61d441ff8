/** Most cells: nothing to quote, nothing that a spreadsheet would run. */
const PLAIN = /^[A-Za-z0-9][^",\r\n\t ']*$/;
const FORMULA = /^[=+\-@\t\r\n|%]/;

/**
 * One line of CSV. A text that a spreadsheet would run as a formula gets an apostrophe in front, inside the quotes; the
 * NDJSON beside every CSV file has the text as it was.
 *
 * @see https://www.rfc-editor.org/rfc/rfc4180#section-2
 */
export function csvLine(cells: readonly unknown[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

/** One cell, quoted where it has to be. */
export function csvCell(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  // Half a pair of surrogates, which JSON can hold, is no UTF-8: it would come back as another text.
  const text = (typeof value === 'string' ? value : flatText(value)).toWellFormed();
  if (PLAIN.test(text)) return text;
  const safe = FORMULA.test(text.trimStart()) || FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n\t ']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** A value of several parts in one cell: lists of plain values are joined; references show their name; anything else is JSON. */
export function flatText(value: unknown): string {
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object')) return value.join('; ');
  if (Array.isArray(value) && value.every(isRef)) return value.map((ref) => ref.name).join('; ');
  if (isRef(value)) return value.name;
  return JSON.stringify(value);
}

function isRef(value: unknown): value is { name: string } {
  return typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string';
}
