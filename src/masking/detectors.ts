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

/** What must be in a text for a detector to find anything; a cheap look that spares the dear one. */
const NEEDS = {
  at: (text: string): boolean => text.includes('@'),
  /** Six digits with at most three other characters between each two. */
  digits: (text: string): boolean => /\d\D{0,3}\d\D{0,3}\d\D{0,3}\d\D{0,3}\d\D{0,3}\d/.test(text),
  country: (text: string): boolean => /[A-Za-z]{2}[ .-]?\d{2}/.test(text),
  token: (text: string): boolean => /[A-Za-z0-9+/_=.-]{14}/.test(text) || text.includes('://'),
  pem: (text: string): boolean => text.includes('-----BEGIN '),
} as const;
type Need = keyof typeof NEEDS;

type Find = (text: string, runs: readonly DigitRun[]) => Iterable<Span>;

const DETECTORS: Readonly<Record<DetectorName, readonly [Need, Find]>> = {
  email: ['at', emails],
  phone: ['digits', phones],
  card: ['digits', cards],
  iban: ['country', ibans],
  ssn: ['digits', ssns],
  itin: ['digits', itins],
  nino: ['digits', ninos],
  steuer_id: ['digits', steuerIds],
  aws_key: ['token', awsKeys],
  github_token: ['token', githubTokens],
  api_key: ['token', apiKeys],
  jwt: ['token', jwts],
  private_key: ['pem', privateKeys],
  high_entropy: ['token', highEntropy],
};

export interface Finding extends Span {
  readonly detector: DetectorName;
}

const NOTHING: readonly Finding[] = [];

/** What the detectors find, in the order of the detectors. Findings may overlap, those of one detector too. */
export function findSecrets(text: string, detectors: readonly DetectorName[]): readonly Finding[] {
  const known: Partial<Record<Need, boolean>> = {};
  let runs: readonly DigitRun[] | null = null;
  let found: Finding[] | null = null;
  for (const detector of detectors) {
    const [need, find] = DETECTORS[detector];
    known[need] ??= NEEDS[need](text);
    if (!known[need]) continue;
    if (need === 'digits') runs ??= digitRuns(text);
    for (const { start, end } of find(text, runs ?? [])) {
      found ??= [];
      found.push({ detector, start, end });
    }
  }
  return found ?? NOTHING;
}

/** Braces and bars may stand in one too; there they are rather an array's, a record's or a table's. */
const LOCAL = /[\p{L}\p{N}.!#$%&'*+/=?^_`~-]/u;
const DOMAIN = /[\p{L}\p{N}.-]/u;

/** E-mail addresses: what stands around an at sign. @see https://www.rfc-editor.org/rfc/rfc5322#section-3.4.1 */
function* emails(text: string): Generator<Span> {
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    let start = at;
    if (text[at - 1] === '"') start = Math.max(text.lastIndexOf('"', at - 2), at - 66, 0);
    else while (start > 0 && LOCAL.test(text[start - 1] as string)) start -= 1;
    let end = at + 1;
    while (end < text.length && DOMAIN.test(text[end] as string)) end += 1;
    const gap = text.slice(at + 1, end).indexOf('..');
    if (gap >= 0) end = at + 1 + gap;
    while (end > at + 1 && /[.-]/.test(text[end - 1] as string)) end -= 1;
    if (start < at && isDomain(text.slice(at + 1, end))) yield { start, end };
  }
}

function isDomain(domain: string): boolean {
  const labels = domain.split('.');
  return labels.length > 1 && labels.every((label) => label !== '') && /\p{L}/u.test(labels.at(-1) as string);
}
