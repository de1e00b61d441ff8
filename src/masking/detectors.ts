/**
 * Finds in a text what detectors are asked for. A text in which nothing can be is told in one pass or two; every
 * detector takes time linear in the text, whatever is in it.
 *
 * Detectors are a net and no wall: what a statement takes apart or encodes they do not see. Columns are the wall.
 */
import type { DetectorName } from '../core/masks.ts';
import { emails } from './detect-email.ts';
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
