/**
 * Text from elsewhere on its way to a terminal. A name, a statement or an error message may hold escape sequences
 * that move the cursor, change the window or retype a line; everything that is not a visible character is therefore
 * shown as an escape.
 */

// Control characters (C0, DEL, C1), separators of lines and paragraphs, marks that turn the direction of
// writing, invisible joiners, the byte order mark, tag characters, and halves of surrogate pairs.
const DANGEROUS =
  /[\p{Cc}\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\p{Cs}\u{e0000}-\u{e007f}]/gu;

function shown(character: string): string {
  const code = character.codePointAt(0) as number;
  if (character === '\n') return '\\n';
  if (character === '\r') return '\\r';
  if (character === '\t') return '\\t';
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
  if (code < 0x10000) return `\\u${code.toString(16).padStart(4, '0')}`;
  return `\\u{${code.toString(16)}}`;
}

/** One line, safe to print: everything invisible is escaped, line ends and tabs too. */
export function safeLine(text: string): string {
  return text.replace(DANGEROUS, shown);
}

/** Several lines, safe to print: like `safeLine`, but line ends stay and tabs become spaces. */
export function safeBlock(text: string): string {
  return text
    .split(/\r?\n/)
    .map((line) => safeLine(line.replaceAll('\t', '    ')))
    .join('\n');
}

/** JSON that says the same as `JSON.stringify` and is safe to print: what that leaves bare is written `\uXXXX`. */
export function safeJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(DANGEROUS, (character) => {
    if (character === '\n') return character;
    let units = '';
    for (let i = 0; i < character.length; i++) {
      units += `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
    }
    return units;
  });
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
const WIDE =
  /^(?:\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}])/u;

/** Columns of a terminal that a safe line takes up: two for wide characters and emoji, one for any other. */
export function displayWidth(line: string): number {
  // Nearly everything is ASCII, where width is length.
  if (/^[\x20-\x7e]*$/.test(line)) return line.length;
  let width = 0;
  for (const { segment } of graphemes.segment(line)) width += WIDE.test(segment) ? 2 : 1;
  return width;
}

/** A safe line cut to a width, with an ellipsis where something is missing. */
export function cutTo(line: string, width: number): string {
  if (displayWidth(line) <= width) return line;
  let kept = '';
  let room = width - 1;
  for (const { segment } of graphemes.segment(line)) {
    room -= displayWidth(segment);
    if (room < 0) break;
    kept += segment;
  }
  return `${kept}…`;
}
