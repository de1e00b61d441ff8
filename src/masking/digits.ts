/** Runs of digits as people write them, with spaces, dots, dashes, slashes and brackets between. */

export interface DigitRun {
  readonly digits: string;
  /** Where each digit stands in the text. */
  readonly at: readonly number[];
  /** Whether a plus sign stands in front. */
  readonly plus: boolean;
}

/** A stretch of a text: from `start` up to `end`, which is not in it. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Digits and what stands between them do not overlap, so this never goes back. */
const RUN = /\+?\(?\d(?:[ .\-/()\u00a0\u2009\u202f\u2010-\u2015]{0,3}\d)+/g;

/** Fewer digits are nobody's number. */
const LEAST = 7;

/** The runs of a text that have seven digits or more. */
export function digitRuns(text: string): readonly DigitRun[] {
  const runs: DigitRun[] = [];
  for (const match of text.matchAll(RUN)) {
    if (match[0].length < LEAST) continue;
    const at: number[] = [];
    let digits = '';
    for (let i = 0; i < match[0].length; i++) {
      const char = match[0][i] as string;
      if (char < '0' || char > '9') continue;
      digits += char;
      at.push(match.index + i);
    }
    if (digits.length >= LEAST) runs.push({ digits, at, plus: match[0].startsWith('+') });
  }
  return runs;
}

/** Whether a group of digits begins at digit `i`, or the run ends there. */
export function boundary({ digits, at }: DigitRun, i: number): boolean {
  return i === 0 || i === digits.length || (at[i] as number) > (at[i - 1] as number) + 1;
}

/** The stretch of text from digit `from` up to digit `to`, which is not in it. */
export function spanOf({ at }: DigitRun, from: number, to: number): Span {
  return { start: at[from] as number, end: (at[to - 1] as number) + 1 };
}
