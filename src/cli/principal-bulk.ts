import { readFileSync, statSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { Action } from './apply/action.ts';
import { carryOut } from './apply/carry-out.ts';
import { actionJson, formatActions, tally } from './apply/format.ts';
import { readLive } from './apply/live.ts';
import { failure, type Manifest, type Problem } from './apply/manifests.ts';
import { REHEARSED_MAX, rehearsalProblems } from './apply/plan.ts';
import { planPrincipal } from './apply/principal-kind.ts';
import { filterOptions, type ListOptions, principalQuery } from './principal-filter.ts';
import { readRows, rowsToCsv, rowsToJson } from './principal-rows.ts';
import type { ListedPrincipal } from './support/api-types.ts';
import type { ApiClient } from './support/client.ts';
import { connected, examples } from './support/command.ts';
import { CliError, usageError } from './support/failure.ts';
import { note, print, printJson } from './support/output.ts';
import { Progress } from './support/progress.ts';

const FILE_MAX = 16 * 1024 * 1024;
/** Rows tried out together: a request has at most a megabyte. */
const AT_ONCE = Math.min(200, REHEARSED_MAX);

/** `postern principal export` and `import`. */
export function registerBulk(parent: Command): void {
  const out = filterOptions(
    parent
      .command('export')
      .description('write principals as CSV or JSON; without --status, those that are not retired')
      .addOption(new Option('--format <format>', 'what to write').choices(['csv', 'json']).default('csv')),
  );
  examples(out, 'postern principal export --environment production > principals.csv');
  connected<ListOptions & { format: string }>(out, async ({ api, options }) => {
    const all = await api.all<ListedPrincipal>('/v1/principals', principalQuery(options));
    const items = options.status === undefined ? all.filter(({ status }) => status !== 'retired') : all;
    await print(options.format === 'json' || options.json ? rowsToJson(items) : rowsToCsv(items));
  });

  const into = parent
    .command('import <file>')
    .description('make or change principals as a CSV or JSON file says, as export writes it')
    .option('--dry-run', 'only say what would be done')
    .option('--reason <text>', 'why; it is kept in the log');
  examples(into, 'postern principal import principals.csv --dry-run');
  into.addHelpText(
    'after',
    '\nAll rows are checked before the first change is made. Columns that are missing, and empty cells, leave things as\n' +
      'they are (an empty cell of expiresAt, tags or sponsor: there is none). Whoever is in no row stays as they are.',
  );
  connected<{ dryRun?: true; reason?: string }>(into, async ({ api, options, args }) => {
    const [file = ''] = args;
    const actions = await plan(api, file, options.reason ?? `import of ${file.split('/').at(-1)}`);
    if (options.dryRun) {
      if (options.json) return printJson({ actions: actions.map(actionJson) });
      await print(formatActions(actions));
      return note(`${tally(actions)}.`);
    }
    await carry(api, actions, options.json ?? false);
  });
}

async function plan(api: ApiClient, file: string, reason: string): Promise<Action[]> {
  const problems: Problem[] = [];
  const rows = readRows(file, readText(file), problems);
  const live = await readLive(api, null);
  const planning = { live, reason, problems, kept: new Set<string>() };
  const actions = rows.flatMap(({ line, name, spec }) => {
    const manifest: Manifest = { file, line, kind: 'Principal', name, spec, text: '', lineOf: () => line };
    return planPrincipal({ name, before: live.principals.get(name), spec }, manifest, planning);
  });
  const progress = new Progress();
  for (let at = 0; at < actions.length; at += AT_ONCE) {
    progress.show(`checked ${at} of ${actions.length}`);
    problems.push(...(await rehearsalProblems(api, actions.slice(at, at + AT_ONCE))));
  }
  progress.clear();
  if (problems.length > 0) throw failure(problems, `${file} cannot be imported`);
  return actions;
}

async function carry(api: ApiClient, actions: readonly Action[], json: boolean): Promise<void> {
  const progress = new Progress();
  const { done, left, error } = await carryOut(api, actions, null, (count) =>
    progress.show(`${count} of ${actions.length}`),
  );
  progress.clear();
  if (json) await printJson({ done: done.map(actionJson), left: left.map(actionJson) });
  else note(`Done: ${tally(done)}.`);
  const [failed] = left;
  if (error === null || failed === undefined) return;
  const where = `${failed.manifest?.file}:${failed.manifest?.line}`;
  throw new CliError(
    error.code,
    `${where}: ${error.message} (${done.length} rows were done, ${left.length} were not)`,
    error.hint ?? 'Import the file again once that is mended: what is done already stays as it is.',
  );
}

function readText(file: string): string {
  try {
    if (file !== '-' && statSync(file).size > FILE_MAX)
      throw new Error(`it is longer than ${FILE_MAX} bytes`);
    const bytes = readFileSync(file === '-' ? 0 : file);
    if (bytes.length > FILE_MAX) throw new Error(`it is longer than ${FILE_MAX} bytes`);
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw usageError(`cannot read ${file}: ${(error as Error).message}`);
  }
}
