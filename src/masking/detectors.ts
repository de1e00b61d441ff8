/**
 * Finds in a text what detectors are asked for. A text in which nothing can be is told in one pass or two; every
 * detector takes time linear in the text, whatever is in it.
 *
 * Detectors are a net and no wall: what a statement takes apart or encodes they do not see. Columns are the wall.
 */
import type { DetectorName } from '../core/masks.ts';
import { ibans } from './detect-iban.ts';
import { cards, itins, ninos, phones, ssns, steuerIds } from './detect-numbers.ts';
import { apiKeys, awsKeys, githubTokens, highEntropy, jwts, privateKeys } from './detect-secrets.ts';
import { type DigitRun, digitRuns, type Span } from './digits.ts';
import { lookAt, mayFind } from './look.ts';

type Find = (text: string, runs: readonly DigitRun[]) => Iterable<Span>;

const DETECTORS: Readonly<Record<DetectorName, Find>> = {
  email: emails,
  phone: phones,
  card: cards,
  iban: ibans,
  ssn: ssns,
  itin: itins,
  nino: ninos,
  steuer_id: steuerIds,
  aws_key: awsKeys,
  github_token: githubTokens,
  api_key: apiKeys,
  jwt: jwts,
  private_key: privateKeys,
  high_entropy: highEntropy,
};

/** These look at digits, cut out once for all of them. */
const OF_DIGITS: ReadonlySet<DetectorName> = new Set(['phone', 'card', 'ssn', 'itin', 'steuer_id']);

export interface Finding extends Span {
  readonly detector: DetectorName;
}

const NOTHING: readonly Finding[] = [];

/**
 * What the detectors find, in the order of the detectors. Findings may overlap, those of one detector too.
 *
 * @param seen what a look at the text has told
 */
export function findSecrets(
  text: string,
  detectors: readonly DetectorName[],
  seen: number = lookAt(text),
): readonly Finding[] {
  let runs: readonly DigitRun[] | null = null;
  let found: Finding[] | null = null;
  for (const detector of detectors) {
    if (!mayFind(seen, detector)) continue;
    if (OF_DIGITS.has(detector)) runs ??= digitRuns(text);
    for (const { start, end } of DETECTORS[detector](text, runs ?? [])) {
      found ??= [];
      found.push({ detector, start, end });
    }
  }
  return found ?? NOTHING;
}

/** Braces and bars may stand in one too; there they are rather an array's, a record's or a table's. */
const LOCAL = ofCharacters(/[\p{L}\p{N}.!#$%&'*+/=?^_`~-]/u);
const LETTERS = ofCharacters(/\p{L}/u);
const DOMAIN = ofCharacters(/[\p{L}\p{N}.-]/u);

/** Whether the character at a place of a text is one of a set. Of ASCII it is known beforehand. */
function ofCharacters(set: RegExp): (text: string, at: number) => boolean {
  const ascii = Uint8Array.from({ length: 128 }, (_, code) => Number(set.test(String.fromCharCode(code))));
  return (text, at) => {
    const code = text.charCodeAt(at);
    return code < 128 ? ascii[code] === 1 : set.test(text[at] as string);
  };
}

/** E-mail addresses: what stands around an at sign. @see https://www.rfc-editor.org/rfc/rfc5322#section-3.4.1 */
function emails(text: string): readonly Span[] {
  const found: Span[] = [];
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    let start = at;
    if (text[at - 1] === '"') start = Math.max(text.lastIndexOf('"', at - 2), at - 66, 0);
    else while (start > 0 && LOCAL(text, start - 1)) start -= 1;
    let end = at + 1;
    // Up to two dots in a row, of which neither belongs to it.
    while (end < text.length && DOMAIN(text, end) && !(text[end] === '.' && text[end + 1] === '.')) end += 1;
    while (text[end - 1] === '.' || text[end - 1] === '-') end -= 1;
    if (start < at && isDomain(text, at + 1, end)) found.push({ start, end });
  }
  return found;
}

/** Of two labels or more, the first not empty, the last with a letter in it. Two dots in a row and a dot at the end are not in what is asked for. */
function isDomain(text: string, start: number, end: number): boolean {
  let letters = false;
  for (let at = end - 1; at > start; at--) {
    if (text[at] === '.') return letters && text[start] !== '.';
    letters ||= LETTERS(text, at);
  }
  return false;
}
