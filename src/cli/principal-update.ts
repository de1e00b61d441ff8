import { type Command, Option } from 'commander';
import type { Principal } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples, wholeNumber } from './support/command.ts';
import { print, printJson } from './support/output.ts';
import { describe, several, tagsOf } from './support/principal-format.ts';
import { parseMoment } from './support/time.ts';

interface UpdateOptions {
  readonly owner?: string;
  readonly backupOwner?: string;
  readonly purpose?: string;
  readonly environment?: string;
  readonly reviewDays?: number;
  readonly tag?: readonly string[];
  readonly sponsor?: string;
  readonly expires?: string | null;
  readonly untag?: readonly string[];
  readonly ours?: boolean;
  readonly reason: string;
}

/** `postern principal update`. */
export function registerUpdate(parent: Command): void {
  const command = parent
    .command('update <principal>')
    .description('change who answers for a principal, or what is said of it; what is not named stays')
    .option('--owner <person>', 'who answers for it: id, name or e-mail address')
    .option('--backup-owner <person>', 'who answers when the owner cannot')
    .option('--purpose <text>', 'what it is for, in one sentence')
    .option('--environment <name>', 'where it works')
    .option('--review-days <n>', 'days between reviews', wholeNumber(1, 366))
    .option('--expires <time>', 'when it ends: a day, a time, a duration from now, or never', (text) =>
      text === 'never' ? null : parseMoment(text, 1),
    )
    .option('--tag <name=value>', 'a tag to set; several with several flags', several)
    .option('--untag <name>', 'a tag to take away; several with several flags', several)
    .addOption(new Option('--sponsor <name>', 'the third party whose it is').conflicts('ours'))
    .option('--ours', "it is no third party's")
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  examples(
    command,
    'postern principal update nightly-ledger-batch --owner grace@bank.example --backup-owner ed@bank.example \\\n' +
      '      --reason "Ada moved to treasury"',
    'postern principal update nightly-ledger-batch --tag team=ledger --untag pilot --reason "CHG-1077"',
  );
  connected<UpdateOptions>(command, async ({ api, options, args }) => {
    const { owner, backupOwner, purpose, environment, reviewDays, expires, tag, untag, ours } = options;
    const sponsor = ours ? null : options.sponsor;
    const tags = {
      ...Object.fromEntries((untag ?? []).map((name) => [name, null])),
      ...tagsOf(tag ?? []),
    };
    const done = await api.post<Principal>(path`/v1/principals/${args[0] as string}/update`, {
      ...(owner !== undefined && { owner }),
      ...(backupOwner !== undefined && { backupOwner }),
      ...(purpose !== undefined && { purpose }),
      ...(environment !== undefined && { environment }),
      ...(reviewDays !== undefined && { reviewIntervalDays: reviewDays }),
      ...(expires !== undefined && { expiresAt: expires }),
      ...(Object.keys(tags).length > 0 && { tags }),
      ...(sponsor !== undefined && { sponsor }),
      reason: options.reason,
    });
    await (options.json ? printJson(done) : print(describe(done)));
  });
}
