import { type Command, Option } from 'commander';
import pc from 'picocolors';
import { answer, bodyOf, type WhyOptions, whyOptions } from './request.ts';
import type { RightSized } from './support/api-types.ts';
import { type ApiClient, path } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { CliError, usageError } from './support/failure.ts';
import { note, print, printJson } from './support/output.ts';
import { parseMoment } from './support/time.ts';

interface SizeOptions extends Partial<WhyOptions> {
  readonly resource?: string;
  readonly since: string;
  readonly request?: boolean;
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
  command.option('--request', 'ask for a grant of what was used (--resource, --for)');
  whyOptions(command, false);
  examples(
    command,
    'postern principal right-size nightly-ledger-batch',
    'postern principal right-size batch --resource ledger-db --request --for 8h --ticket CHG-1042',
    'postern principal right-size batch --since 30d --json',
  );
  connected<SizeOptions>(command, async ({ api, options, args }) => {
    const wish = wishOf(options);
    const asked = new URLSearchParams({
      since: options.since,
      ...(options.resource !== undefined && { resource: options.resource }),
    });
    const found = await api.get<{ items: readonly RightSized[] }>(
      `${path`/v1/principals/${args[0] as string}/right-sizing`}?${asked}`,
    );
    if (wish !== null) return request(api, args[0] as string, found.items[0], wish);
    if (options.json) return printJson(found);
    if (found.items.length === 0) note('It has no grants, and did nothing.');
    await print(found.items.map(describe).join('\n'));
  });
}

interface Wish extends WhyOptions {
  readonly resource: string;
  readonly json?: boolean;
}

/** The request to make; null where none is wished. @throws CliError where it is not said for how long, or where */
function wishOf(options: SizeOptions & { readonly json?: boolean }): Wish | null {
  const { for: seconds, resource } = options;
  if (options.request === true) {
    if (seconds !== undefined && resource !== undefined) return { ...options, for: seconds, resource };
    throw usageError('--request takes a --resource, and --for how long');
  }
  const stray = (['for', 'ticket', 'reason', 'emergency', 'wait'] as const).find(
    (name) => options[name] !== undefined,
  );
  if (stray !== undefined) throw usageError(`--${stray} goes with --request`);
  return null;
}

/** Asks for a grant of what was used. Those that there are stay as they are. */
async function request(
  api: ApiClient,
  principal: string,
  sized: RightSized | undefined,
  wish: Wish,
): Promise<void> {
  const scope = sized?.suggested ?? null;
  if (scope === null) {
    throw new CliError(
      'CLI_NOTHING_USED',
      `${principal} did nothing on ${wish.resource} that needs a scope since then`,
    );
  }
  const { resource } = wish;
  await answer(api, await api.post('/v1/requests', { principal, resource, scope, ...bodyOf(wish) }), wish);
  if (sized !== undefined && sized.granted.length > 0 && wish.json !== true) {
    note('What is granted already stays as it is, until its end, postern grant release, or a review.');
  }
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
