import { type Command, Option } from 'commander';
import pc from 'picocolors';
import type { RightSized } from './support/api-types.ts';
import { path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { note, print, printJson } from './support/output.ts';
import { parseMoment } from './support/time.ts';

interface SizeOptions {
  readonly resource?: string;
  readonly since: string;
}

/** `postern principal right-size`. */
export function registerRightSize(parent: Command): void {
  const command = parent
    .command('right-size <principal>')
    .description('the smallest scope that covers what was done, against what is granted')
    .option('--resource <resource>', 'only on this one')
    .addOption(
      new Option('--since <time>', 'what was done since then, or in the last so long')
        .argParser((text) => parseMoment(text, -1))
        .default(parseMoment('90d', -1), '90d'),
    );
  examples(
    command,
    'postern principal right-size nightly-ledger-batch',
    'postern principal right-size batch --since 30d --json',
  );
  connected<SizeOptions>(command, async ({ api, options, args }) => {
    const asked = new URLSearchParams({
      since: options.since,
      ...(options.resource !== undefined && { resource: options.resource }),
    });
    const found = await api.get<{ items: readonly RightSized[] }>(
      `${path`/v1/principals/${args[0] as string}/right-sizing`}?${asked}`,
    );
    if (options.json) return printJson(found);
    if (found.items.length === 0) note('It has no grants, and did nothing.');
    await print(found.items.map(describe).join('\n'));
  });
}

function describe(sized: RightSized): string {
  const { resource, granted, suggested, commands, unresolved, unused } = sized;
  const lines = [
    pc.bold(resource.name),
    ...granted.map((scope) => `  granted  ${scope}`),
    ...(granted.length === 0 ? ['  granted  nothing'] : []),
    `  used     ${suggested ?? 'nothing that needs a scope'} (${commands} command${commands === 1 ? '' : 's'})`,
    ...unused.map(({ verb, object }) => pc.red(`  - ${verb} on ${object}`)),
  ];
  if (unresolved > 0) {
    const share = ((100 * unresolved) / commands).toFixed(1);
    lines.push(
      `  Of ${unresolved} commands (${share} %) it could not be told which verb went to which object: each verb is taken for each.`,
    );
  }
  return `${lines.join('\n')}\n`;
}
