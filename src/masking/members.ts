/** Which members of documents the patterns of rules mean. */
import { globMatches } from '../core/glob.ts';
import { type ColumnPattern, plain } from './patterns.ts';

/**
 * How much of the most literal pattern that matches a member is literal; -1 where none matches. A name that is written as a path
 * (`customer.card_number`, `customer[card_number]`, `bank:iban`) is also taken for each of its names.
 *
 * @param paths patterns of columns that are paths
 * @param globs patterns of names, as `parseNamePattern` gives them
 */
export function memberSpecificity(
  paths: readonly ColumnPattern[],
  globs: readonly string[],
  parent: string | null,
  name: string,
): number {
  let most = -1;
  for (const [above, own] of readings(parent, name)) {
    const bare = plain(own);
    if (globs.some((glob) => globMatches(glob, bare))) most = Math.max(most, 0);
    for (const { parts, literals } of paths) {
      const [, table, column] = parts;
      if (literals > most && isPart(column, own) && isPart(table, above)) most = literals;
    }
  }
  return most;
}

type Reading = readonly [above: string | null, own: string];

/** All that is neither letter, digit, `_`, `-`, `$` nor space sets one name apart from the next. */
const BETWEEN = /[^\p{L}\p{M}\p{N}_$ -]+/u;

const namesIn = (text: string): readonly string[] => text.split(BETWEEN).filter((each) => each !== '');

function readings(parent: string | null, name: string): readonly Reading[] {
  const above = parent === null ? [null] : [parent, ...namesIn(parent).slice(-1)];
  const found: Reading[] = above.map((each) => [each, name]);
  const own = namesIn(name);
  if (own.length === 1 && own[0] === name) return found;
  for (const [index, each] of own.entries()) {
    if (index === 0) found.push(...above.map((one): Reading => [one, each]));
    else {
      // Of `cards[0][number]` the name above is `cards` too: positions are no names.
      for (let before = index - 1; before >= 0; before--) {
        found.push([own[before] as string, each]);
        if (!/^\d+$/.test(own[before] as string)) break;
      }
    }
  }
  return found;
}

/** Unquoted parts match in any case, with `_`, `-` and spaces or without. */
function isPart({ text, quoted }: ColumnPattern['parts'][number], name: string | null): boolean {
  if (name === null) return !quoted && text === '*';
  if (quoted) return name === text;
  return globMatches(text, name.toLowerCase()) || globMatches(plain(text), plain(name));
}
