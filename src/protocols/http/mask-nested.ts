/** Names that hold inside of texts: JSON in strings of JSON and in events, and what looks alike. */
import type { CompiledMask } from '../../masking/rules.ts';
import { MASKED } from '../../masking/text.ts';
import { type BodyMasks, Unmaskable } from './mask-values.ts';

/** Where a text stands that is JSON itself. */
export interface JsonPlace {
  readonly name: string | null;
  readonly label: string;
  /** In how many strings of JSON it is. */
  readonly nested: number;
}

export const TOP: JsonPlace = { name: null, label: '', nested: 0 };

const MAX_NESTED = 4;
/** What JSON begins with, blanks before it, and an escape that may be one of these. */
const BEGINS: ReadonlySet<number> = new Set([...'{["\\ \t\r\n'].map((char) => char.charCodeAt(0)));

/** Whether JSON may begin with a byte of a string. That of a byte order mark too. */
export const mayBeJson = (byte: number): boolean => BEGINS.has(byte) || byte === 0xef;

/** A name and the sign behind it. Quotes may be escaped, and characters of the name too. It begins once in a run, and goes back no further. */
const NAMED =
  /(?<![\p{L}\p{N}_$.[\]-])((?:[\p{L}\p{N}_$.[\]-]|\\{1,8}u[0-9a-f]{4}){1,200})\\{0,8}["']?[ \t]{0,64}[:=]/giu;

/** The first name in a text, with a colon or an equals sign behind it, that is masked. */
export function namedIn(
  masks: BodyMasks,
  text: string,
  parent: string | null,
): { readonly mask: CompiledMask; readonly name: string; readonly end: number } | null {
  if (!masks.plan.members) return null;
  for (const match of text.matchAll(NAMED)) {
    const name = (match[1] as string).replace(/\\+u([0-9a-f]{4})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    const mask = masks.plan.forMember(parent, name);
    if (mask !== null) return { mask, name, end: match.index + match[0].length };
  }
  return null;
}

/**
 * A text that is JSON, masked as that; null where it is none. What looks like JSON and cannot be read is masked whole if a masked name
 * stands in it, and so is what is too deep.
 *
 * @param read masks the text as JSON
 * @throws Unmaskable
 */
export function nestedJson(
  masks: BodyMasks,
  text: string,
  place: JsonPlace,
  read: () => string,
): string | null {
  if (!masks.plan.members || !/^[\ufeff\s]*[{["]/.test(text)) return null;
  if (place.nested > MAX_NESTED) return MASKED;
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Unmaskable)) throw error;
  }
  const found = namedIn(masks, text, place.name);
  if (found === null) return null;
  masks.count(masks.label(place.label, found.name), found.mask);
  return MASKED;
}
