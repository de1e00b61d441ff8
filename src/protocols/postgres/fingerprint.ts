/** What tells one statement from another, whatever its constants: the name by which a grant can allow it alone. */
import { createHash } from 'node:crypto';
import type { Access } from './classified.ts';

/**
 * 16 hex digits. The parser's own fingerprint is of the structure, but leaves out schemas, and the names of channels and settings; a
 * statement that touches something else is another statement.
 *
 * @param structure fingerprint of the parser; null where it gives none
 */
export function fingerprintOf(structure: string | null, accesses: readonly Access[]): string | null {
  if (structure === null) return null;
  const touched = accesses.map(({ verb, kind, schema, name, beside }) =>
    JSON.stringify([verb, kind, schema, name, beside]),
  );
  return createHash('sha256')
    .update([structure, ...touched.sort()].join('\n'))
    .digest('hex')
    .slice(0, 16);
}
