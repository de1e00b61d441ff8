import { DerError, DerReader, oidText, TAG } from './der.ts';

/**
 * Short names of attribute types; others are written as their identifier.
 *
 * @see https://www.rfc-editor.org/rfc/rfc4514#section-3
 */
const TYPES: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'street',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
  '1.2.840.113549.1.9.1': 'emailAddress',
};

const PARTS_MAX = 50;

/**
 * A Name as text, as `openssl -nameopt RFC2253,-esc_msb,utf8` has it: two are the same only if all of their attributes are, types and
 * values in their order.
 *
 * @param content of the RDNSequence
 * @returns null where a value has a form that text cannot hold exactly
 * @throws DerError
 * @see https://www.rfc-editor.org/rfc/rfc4514#section-2
 */
export function distinguishedName(content: Buffer): string | null {
  const sequence = new DerReader(content);
  const parts: string[] = [];
  let count = 0;
  let exact = true;
  while (!sequence.done) {
    const set = new DerReader(sequence.next(TAG.set).content);
    const together: string[] = [];
    while (!set.done) {
      count += 1;
      if (count > PARTS_MAX) throw new DerError('a name of too many parts');
      const attribute = new DerReader(set.next(TAG.sequence).content);
      const type = oidText(attribute.next(TAG.oid).content);
      const value = text(attribute.next());
      attribute.end();
      if (value === null) exact = false;
      else together.unshift(`${TYPES[type] ?? type}=${escaped(value)}`);
    }
    parts.unshift(together.join('+'));
  }
  return exact ? parts.join(',') : null;
}

/** UTF8String, PrintableString and IA5String; the other forms have no one reading. */
function text({ tag, content }: { readonly tag: number; readonly content: Buffer }): string | null {
  if (tag !== 0x0c && tag !== 0x13 && tag !== 0x16) return null;
  try {
    const value = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
    return tag === 0x0c || /^[\x20-\x7e]*$/.test(value) ? value : null;
  } catch {
    return null;
  }
}

function escaped(value: string): string {
  let out = '';
  const chars = [...value];
  for (const [at, char] of chars.entries()) {
    const code = char.charCodeAt(0);
    const edge = (char === ' ' && (at === 0 || at === chars.length - 1)) || (char === '#' && at === 0);
    if (code < 0x20 || code === 0x7f) out += `\\${code.toString(16).padStart(2, '0')}`;
    else out += edge || SPECIAL.has(char) ? `\\${char}` : char;
  }
  return out;
}

const SPECIAL: ReadonlySet<string> = new Set('\\,+"<>;');
