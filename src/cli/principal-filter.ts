import { type Command, Option } from 'commander';
import { PRINCIPAL_KINDS } from '../store/entities.ts';
import type { Query } from './support/client.ts';
import { several } from './support/principal-format.ts';
import { parseMoment } from './support/time.ts';

/** Which principals. */
export interface ListOptions {
  readonly status?: string;
  readonly owner?: string;
  readonly kind?: string;
  readonly q?: string;
  readonly environment?: string;
  readonly tag?: readonly string[];
  readonly orphaned?: true;
  readonly unusedFor?: string;
}

/** Adds the flags that say which principals. */
export function filterOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--status <status>', 'only these').choices(['active', 'suspended', 'disabled', 'retired']),
    )
    .option('--owner <person>', 'only those of this person')
    .addOption(new Option('--kind <kind>', 'only these').choices([...PRINCIPAL_KINDS]))
    .option('--environment <name>', 'only those that work there')
    .option('--tag <name=value>', 'only those with this tag; several with several flags', several)
    .option('--orphaned', 'only those whose owner is disabled')
    .option('--unused-for <duration>', 'only those neither made nor used for so long, such as 30d', (text) =>
      parseMoment(text, -1),
    )
    .option('-q, --q <text>', 'only those whose name or purpose holds this');
}

/** The filters of a list as the API takes them. */
export function principalQuery(options: ListOptions): Query {
  const { status, owner, kind, q, environment, tag, orphaned, unusedFor } = options;
  return {
    ...{ status, owner, kind, q, environment, tag },
    orphaned: orphaned === true ? 'true' : undefined,
    unusedSince: unusedFor,
  };
}
