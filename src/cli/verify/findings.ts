import type { Finding } from '../../ledger/verify.ts';
import { EXIT } from '../support/failure.ts';
import { print, printJson } from '../support/output.ts';
import { type Field, formatFields } from '../support/table.ts';
import { safeLine } from '../support/text.ts';

/** What was found, and about what. */
export interface Verdict {
  readonly fields: readonly Field[];
  readonly findings: readonly Finding[];
  /** For `--json`, beside `ok` and `findings`. */
  readonly facts: object;
}

/** Prints what was found; the exit code is 3 where something is wrong. */
export async function pronounce({ fields, findings, facts }: Verdict, json: boolean): Promise<void> {
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  if (errors > 0) process.exitCode = EXIT.unverified;
  if (json) return printJson({ ok: errors === 0, ...facts, findings });
  const lines = findings.map(({ severity, file, message }) => {
    return `${severity === 'error' ? 'WRONG' : 'note'}  ${safeLine(file)}: ${safeLine(message)}\n`;
  });
  const result: Field = ['result', errors === 0 ? 'holds' : `does NOT hold: ${errors} found`];
  await print(`${lines.join('')}${formatFields([...fields, result])}`);
}
