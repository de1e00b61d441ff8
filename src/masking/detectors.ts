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
import type { Span } from './digits.ts';

/** Six digits with at most three other characters between each two. */
const DIGITS = /\d\D{0,3}\d\D{0,3}\d\D{0,3}\d\D{0,3}\d\D{0,3}\d/;
const TOKEN = /[A-Za-z0-9+/_=.-]{14}|:\/\//;
const COUNTRY = /[A-Za-z]{2}[ .-]?\d{2}/;

const hasAt = (text: string): boolean => text.includes('@');
const hasDigits = (text: string): boolean => DIGITS.test(text);
const hasCountry = (text: string): boolean => COUNTRY.test(text);
const hasToken = (text: string): boolean => TOKEN.test(text);
const hasPem = (text: string): boolean => text.includes('-----BEGIN ');

interface Detector {
  /** False where the text cannot hold one. */
  readonly maybe: (text: string) => boolean;
  readonly find: (text: string) => Iterable<Span>;
}

const DETECTORS: Readonly<Record<DetectorName, Detector>> = {
  email: { maybe: hasAt, find: emails },
  phone: { maybe: hasDigits, find: phones },
  card: { maybe: hasDigits, find: cards },
  iban: { maybe: hasCountry, find: ibans },
  ssn: { maybe: hasDigits, find: ssns },
  itin: { maybe: hasDigits, find: itins },
  nino: { maybe: hasDigits, find: ninos },
  steuer_id: { maybe: hasDigits, find: steuerIds },
  aws_key: { maybe: hasToken, find: awsKeys },
  github_token: { maybe: hasToken, find: githubTokens },
  api_key: { maybe: hasToken, find: apiKeys },
  jwt: { maybe: hasToken, find: jwts },
  private_key: { maybe: hasPem, find: privateKeys },
  high_entropy: { maybe: hasToken, find: highEntropy },
};

export interface Finding extends Span {
  readonly detector: DetectorName;
}

/** What the detectors find, in the order of the detectors. Findings may overlap, those of one detector too. */
export function findSecrets(text: string, detectors: readonly DetectorName[]): Finding[] {
  const answers = new Map<(text: string) => boolean, boolean>();
  const found: Finding[] = [];
  for (const detector of detectors) {
    const { maybe, find } = DETECTORS[detector];
    let worth = answers.get(maybe);
    if (worth === undefined) {
      worth = maybe(text);
      answers.set(maybe, worth);
    }
    if (!worth) continue;
    for (const { start, end } of find(text)) found.push({ detector, start, end });
  }
  return found;
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
