/** What a review is about and how it is carried out, as flags. */
import { type Command, Option } from 'commander';
import type { ListedReview } from './support/api-types.ts';
import { wholeNumber } from './support/command.ts';
import { several, tagsOf } from './support/principal-format.ts';
import { parseDuration } from './support/time.ts';

export interface TermOptions {
  readonly resource?: string;
  readonly owner?: string;
  readonly environment?: string;
  readonly tag?: readonly string[];
  readonly reviewer?: readonly string[];
  readonly due: number;
  readonly grace: number;
  readonly unusedDays?: number;
  readonly rehearsal?: boolean;
  readonly remind?: readonly number[];
  readonly escalate?: readonly string[];
}

/** Nothing is a grace as well. */
const graceOf = (text: string): number => (/^0[smhdw]?$/.test(text) ? 0 : parseDuration(text));

const durationsOf = (text: string, before: readonly number[] = []): readonly number[] =>
  graceOf(text) === 0 ? before : [...before, graceOf(text)];

export function addTerms(command: Command): Command {
  return command
    .option('--resource <resource>', 'only grants on it, and principals that have such')
    .option('--owner <person>', 'only principals that they own or back up')
    .option('--environment <name>', 'only principals that work there')
    .option('--tag <name=value>', 'only principals with this tag; several with several flags', several)
    .option('--reviewer <person>', 'who decides (everybody with the role reviewer); several flags', several)
    .addOption(
      new Option('--due <duration>', 'until when it is to be decided')
        .argParser(parseDuration)
        .default(14 * 86_400, '14d'),
    )
    .addOption(
      new Option(
        '--grace <duration>',
        'after a missed deadline, until what is undecided is suspended; 0: none',
      )
        .argParser(graceOf)
        .default(7 * 86_400, '7d'),
    )
    .option(
      '--unused-days <days>',
      'without use for so long, it is shown as unused (30)',
      wholeNumber(1, 3650),
    )
    .option('--remind <duration>', 'before the deadline (3d and 1d); several flags; 0: never', durationsOf)
    .option('--escalate <person>', 'who decides too once it is overdue; several flags', several)
    .option('--rehearsal', 'nothing takes effect; the result says what would have');
}

export function bodyOf(options: TermOptions): object {
  const { resource, owner, environment, tag, reviewer, due, grace, unusedDays, rehearsal } = options;
  const { remind, escalate } = options;
  return {
    ...(resource !== undefined && { resource }),
    ...(owner !== undefined && { owner }),
    ...(environment !== undefined && { environment }),
    ...(tag !== undefined && { tags: tagsOf(tag) }),
    ...(reviewer !== undefined && { reviewers: reviewer }),
    ...{ dueSeconds: due, graceSeconds: grace },
    ...(unusedDays !== undefined && { unusedDays }),
    ...(rehearsal === true && { rehearsal }),
    ...(remind !== undefined && { reminders: remind }),
    ...(escalate !== undefined && { escalation: escalate }),
  };
}

export function wordsOf({ resource, owner, environment, tags }: ListedReview['filter']): string {
  const words = [
    resource === null ? null : `resource ${resource.name}`,
    owner === null ? null : `owner ${owner.name}`,
    environment === null ? null : `environment ${environment}`,
    ...Object.entries(tags).map(([name, value]) => `${name}=${value}`),
  ];
  return words.filter((word) => word !== null).join(', ') || 'everything';
}
