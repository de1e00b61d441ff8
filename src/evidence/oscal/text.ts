/**
 * Texts as OSCAL takes them. Whatever somebody typed may end up in a title, a paragraph or the value of a property:
 * it comes out as text there, never as markup, and never breaks the file.
 */

/** More of one text says nothing more to a reader; the whole of it is in the populations. */
const LONGEST = 2000;

/** What moves, ends or hides a line: control characters, line and paragraph separators, marks of direction, byte order marks. */
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\p{Cf}]+/gu;
/** What is markup in OSCAL: of CommonMark, of its own (`~`, `^`, `{{`), and of HTML. */
const MARKUP = /[\\`*_~^[\]{}<>!|&]/g;

/**
 * The value of a property: one line without white space at its ends; a hyphen where nothing is left of it.
 *
 * @see https://pages.nist.gov/metaschema/specification/datatypes/#string
 */
export function value(text: string): string {
  const line = text.toWellFormed().replace(UNSEEN, ' ').trim();
  const short = line.length <= LONGEST ? line : `${line.slice(0, LONGEST).toWellFormed().trimEnd()} (cut)`;
  return short === '' ? '-' : short;
}

/**
 * One line in which nothing is markup.
 *
 * @see https://pages.nist.gov/metaschema/specification/datatypes/#markup-line
 */
export function line(text: string): string {
  return value(text).replace(MARKUP, (sign) => `\\${sign}`);
}

/** Paragraphs of lines that are ours or came from {@link line}. */
export function paragraphs(...texts: readonly (string | undefined)[]): string {
  return texts.filter((text) => text !== undefined && text !== '').join('\n\n');
}

/** Text as a block in which nothing is markup: each line indented by four spaces. */
export function block(text: string): string {
  const lines = text.toWellFormed().replace(/\r\n?/g, '\n').trimEnd().split('\n');
  return lines.map((one) => `    ${one.replace(UNSEEN, ' ')}`).join('\n');
}
