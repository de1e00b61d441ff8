import type { Command } from 'commander';
import { carryOut, tellSet } from './apply/carry-out.ts';
import { actionJson, formatActions, tally } from './apply/format.ts';
import { readLive } from './apply/live.ts';
import { readManifests } from './apply/manifests.ts';
import { type Plan, planAll, rehearse } from './apply/plan.ts';
import type { ApiClient } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { CliError, usageError } from './support/failure.ts';
import { note, print, printJson } from './support/output.ts';
import { several } from './support/principal-format.ts';
import { Progress } from './support/progress.ts';
import { ask } from './support/prompt.ts';

/** As of `diff` and of Terraform's plan: something is different. */
const DIFFERS = 2;

interface ApplyOptions {
  readonly file: readonly string[];
  readonly set?: string;
  readonly plan?: true;
  readonly drift?: true;
  readonly prune?: true;
  readonly yes?: true;
  readonly reason?: string;
  readonly json?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('apply')
    .description(
      'make principals, bindings, resources, mask rules and the access policy what files say they are',
    )
    .requiredOption(
      '-f, --file <path>',
      'YAML or JSON file, or a folder of them; several with several flags',
      several,
    )
    .option('--set <name>', 'name of this set of files: what is made for it is remembered')
    .option('--plan', 'only say what would be done; exit code 2 where that is something')
    .option('--drift', 'only say what is not as the files say; exit code 2 where something is not')
    .option('--prune', 'also end what was made for this set and is in the files no more')
    .option('--yes', 'end it without asking')
    .option('--reason <text>', 'why; it is kept in the log');
  examples(
    command,
    'postern apply -f postern/ --set bank --plan',
    'postern apply -f postern/ --set bank --prune --reason "$CI_COMMIT_SHA"',
    'postern apply -f postern/ --set bank --drift --json',
  );
  command.addHelpText('after', '\nAll of it is checked before the first change is made.');
  connected<ApplyOptions>(command, async ({ api, options }) => {
    checkOptions(options);
    const { set = null, plan = false, drift = false, prune = false } = options;
    const manifests = readManifests(options.file);
    const reason = options.reason ?? `postern apply${set === null ? '' : `, set ${set}`}`;
    const planned = await planAll(manifests, await readLive(api, set), {
      reason,
      prune: prune || (drift && set !== null),
    });
    await rehearse(api, planned.actions);
    if (plan || drift) return tell(planned, options, drift);
    await confirm(planned, options);
    await apply(api, planned, set, options);
  });
}

function checkOptions({ set, plan, drift, prune, yes }: ApplyOptions): void {
  if (plan && drift) throw usageError('--plan and --drift are two different questions');
  if (prune && set === undefined) {
    throw usageError('--prune needs --set: only what was made for a set is ended with it');
  }
  if (yes && !prune) throw usageError('--yes says that things may be ended, which only --prune does');
}

async function tell({ actions }: Plan, { json }: ApplyOptions, drift: boolean): Promise<void> {
  if (json) await printJson({ actions: actions.map(actionJson) });
  else {
    await print(formatActions(actions));
    note(
      actions.length === 0
        ? 'Everything is as the files say.'
        : `${drift ? 'Drift' : 'Plan'}: ${tally(actions)}.`,
    );
  }
  if (actions.length > 0) process.exitCode = DIFFERS;
}

async function confirm({ actions }: Plan, { yes }: ApplyOptions): Promise<void> {
  const ends = actions.filter(({ verb }) => verb === 'end');
  if (ends.length === 0 || yes) return;
  process.stderr.write(formatActions(ends));
  const answer = await ask(
    `End ${ends.length} of them for good? Their names are never used again (yes/no)`,
    'Say --yes where there is no terminal.',
  );
  if (answer !== 'yes') throw new CliError('CLI_ABORTED', 'given up; nothing was changed');
}

async function apply(
  api: ApiClient,
  { actions, gone }: Plan,
  set: string | null,
  { json }: ApplyOptions,
): Promise<void> {
  const progress = new Progress();
  const { done, left, error } = await carryOut(api, actions, set, (count) =>
    progress.show(`${count} of ${actions.length}`),
  );
  progress.clear();
  if (set !== null && error === null && gone.length > 0) {
    await tellSet(
      api,
      set,
      [],
      gone.map(({ kind, object }) => ({ kind, id: object.id })),
    );
  }
  if (json) await printJson({ done: done.map(actionJson), left: left.map(actionJson) });
  else {
    await print(formatActions(done));
    if (actions.length === 0) note('Everything is as the files say.');
  }
  const [failed] = left;
  if (error === null || failed === undefined) return;
  throw new CliError(
    error.code,
    `${failed.kind} ${failed.name}: ${error.message} (${done.length} changes were made, ${left.length} were not)`,
    error.hint ?? 'Apply again once that is mended: what is done already stays as it is.',
  );
}
