import type { Report } from '../../findings.ts';
import { lossWords } from '../../losses.ts';
import { count } from './dom.ts';

/** What a report comes to, in a few words. */
export interface Verdict {
  readonly kind: 'good' | 'open' | 'bad';
  readonly title: string;
  readonly text: string;
}

export function verdictOf(report: Report): Verdict {
  if (!report.ok) {
    const n = report.findings.length;
    return {
      kind: 'bad',
      title: 'Not verified',
      text: `${n === 0 ? 'Not everything could be checked' : n === 1 ? 'One thing does not hold' : `${count(n)} things do not hold`}. Do not rely on this package as it is; what is wrong is named below.`,
    };
  }
  if (report.key?.pinned === true) {
    return {
      kind: 'good',
      title: 'Verified',
      text: 'Everything in this package holds, and its signatures are of the key that you gave.',
    };
  }
  return {
    kind: 'open',
    title: 'Holds together; the signer is not confirmed',
    text: 'Every check passed, but the key was taken from the package itself. That shows that the package is of one piece, not whose log it is. Paste the verifier key that you hold from elsewhere and verify again.',
  };
}

/** What follows from a report in which everything holds. */
export function proven(report: Report, heldCheckpoint: boolean): string[] {
  if (!report.ok || report.log === null) return [];
  const { coverage, key, log, parameters } = report;
  const name = parameters?.principal?.name ?? 'the principal';
  return [
    key?.pinned
      ? `The package was signed with the key that you gave, the key of the log ${log.origin}.`
      : null,
    `No file was changed, added or removed since it was signed, and every record shown is in the log of ${count(log.size)} leaves whose root is stated above.`,
    coverage === 'log'
      ? 'All records of the log up to that size are here. Nothing was left out, inserted or moved.'
      : `The records of ${name} are numbered without gaps from the first on: none before the last one shown is missing. Of other principals there are hashes only.`,
    'Commands, populations, counts and report were derived again from the records, and are the same.',
    'Every command that was let through had a named principal, in an open session of its own, under a grant that was approved before and in force.',
    (report.texts?.full ?? 0) > 0
      ? 'Every statement and parameter that is shown in full is the one that was recorded.'
      : null,
    witnessed(report)
      ? 'The witnesses that your policy asks for saw this checkpoint: the operator cannot show anybody another log of that size.'
      : null,
    heldCheckpoint
      ? 'The log continues the checkpoint that you hold: nothing before it was rewritten since.'
      : null,
  ].filter((text) => text !== null);
}

/** What no verification of this package can show, or what this one did not. */
export function notProven(report: Report, heldCheckpoint: boolean): string[] {
  return [
    report.key?.pinned
      ? null
      : 'Whose log this is. Anybody can make a key and a package that fits it. Compare with the verifier key from an earlier package, a letter or a witness.',
    heldCheckpoint || witnessed(report)
      ? null
      : 'That the log was not rewritten as a whole by its operator, who holds its key, before this package was made. A checkpoint that you keep from an earlier package, or a witness, shows that.',
    report.coverage === 'principal'
      ? 'That the last record shown is the last one in the log: for that you have the operator’s signed statement in manifest.json.'
      : null,
    ...report.losses.map(
      (loss) => `That nothing is missing: by leaf ${loss.leaf}, at ${loss.time}, ${lossWords(loss)}.`,
    ),
    'That the records were true when they were written, or that nothing reached a resource by another way than through Postern.',
    'Anything about this page, where it came in the package. A forged page can say what it likes: use a copy from a source that you trust (postern verify-page prints one).',
  ].filter((text) => text !== null);
}

function witnessed({ witnesses }: Report): boolean {
  return witnesses?.policy === 'given' && witnesses.met;
}
