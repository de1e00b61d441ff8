import type { CommandSummary } from '../assess/command-summary.ts';
import type { Assessment } from '../assess/types.ts';
import type { Block, Day } from './blocks.ts';

interface Shown {
  readonly summary: Pick<CommandSummary, 'rows'>;
  readonly assessment: Assessment;
}

/** More days than this are shown by the month. */
const MOST_DAYS = 92;

/** How many commands there were on each day of the period, or in each month where there are more days than can be seen. */
export function activityBlocks({ summary, assessment }: Shown): Block[] {
  const days = daysOf(summary, assessment);
  const title = 'Commands let through, and refused (dark)';
  return [
    { kind: 'heading', level: 2, text: 'What was done in the period', id: 'activity' },
    days.length === 0
      ? { kind: 'text', text: 'There were no commands.' }
      : { kind: 'days', title: `${title}, ${days.length === 1 ? 'on one day' : spanWord(days)}`, days },
  ];
}

const spanWord = (days: readonly Day[]): string =>
  days[0]?.label.length === 7 ? 'by the month' : 'by the day';

function daysOf(summary: Shown['summary'], { period }: Assessment): Day[] {
  const found = new Map<string, { good: number; bad: number }>();
  for (const { day, decision, commands } of summary.rows()) {
    const of = found.get(day) ?? { good: 0, bad: 0 };
    if (decision === 'allow') of.good += commands;
    else of.bad += commands;
    found.set(day, of);
  }
  const days = [...found.keys()].sort();
  const [first, last] = [days[0], days.at(-1)];
  if (first === undefined || last === undefined) return [];
  // The days before the first record say nothing.
  const [, from = first] = [period.since.slice(0, 10), first].sort();
  const length = (Date.parse(last) - Date.parse(from)) / 86_400_000 + 1;
  const labels =
    length > MOST_DAYS
      ? [...new Set(days.map((day) => day.slice(0, 7)))]
      : Array.from({ length }, (_, i) =>
          new Date(Date.parse(from) + i * 86_400_000).toISOString().slice(0, 10),
        );
  return labels.map((label) => {
    let [good, bad] = [0, 0];
    for (const [day, of] of found) {
      if (!day.startsWith(label)) continue;
      good += of.good;
      bad += of.bad;
    }
    return { label, good, bad };
  });
}
