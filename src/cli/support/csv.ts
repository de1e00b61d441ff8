import { safeLine } from './text.ts';

/**
 * One field of a CSV file. Text that a spreadsheet would take for a formula gets an apostrophe in front, and
 * control characters other than line ends and tabs, which RFC 4180 does not allow, are escaped.
 *
 * @see https://www.rfc-editor.org/rfc/rfc4180#section-2
 */
export function csvField(value: string | number | boolean | null | undefined): string {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'string') return String(value);
  let text = value.replace(/[^\r\n\t]+/g, safeLine);
  if (/^[\s]*[=+\-@|\uff1d\uff0b\uff0d\uff20]/.test(text) || /^[\t\r\n]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** One record of a CSV file with its line end (CR LF). */
export function csvRow(values: readonly (string | number | boolean | null | undefined)[]): string {
  return `${values.map(csvField).join(',')}\r\n`;
}
