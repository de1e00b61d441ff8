import type { Outcome } from './assess/types.ts';

const WORDS: Readonly<Record<Outcome, string>> = {
  pass: 'pass',
  fail: 'fail',
  not_evaluable: 'not evaluable',
  reported: 'to be read',
  organizational: 'for the institution',
};

/** An outcome as people read it. */
export function outcomeWords(outcome: string): string {
  return Object.hasOwn(WORDS, outcome) ? WORDS[outcome as Outcome] : outcome;
}
