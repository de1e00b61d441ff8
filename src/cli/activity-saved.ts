import type { Command } from 'commander';
import type { SavedQuery } from './support/api-types.ts';
import { path, type Query } from './support/client.ts';
import { connected } from './support/command.ts';
import { note, printJson, printList } from './support/output.ts';
import { safeLine } from './support/text.ts';

/** `activity save`, `saved` and `forget`: questions that people keep. */
export function registerSavedQueries(
  parent: Command,
  filterOptions: (command: Command) => Command,
  filters: (options: object) => Query,
): void {
  const save = filterOptions(
    parent
      .command('save <name>')
      .description('keep a question, to be asked again with --saved; one of yours of that name is replaced'),
  ).option('--shared', 'for everybody; each sees what they may see');
  connected<{ shared?: boolean }>(save, async ({ api, options, args }) => {
    const said = Object.entries(filters(options)).filter(([, value]) => value !== undefined);
    const body = { name: args[0], shared: options.shared ?? false, filter: Object.fromEntries(said) };
    const saved = await api.post<SavedQuery>('/v1/activity/saved', body);
    if (options.json) return printJson(saved);
    note(`Ask it with: postern activity --saved ${safeLine(saved.name)}`);
  });

  const list = parent.command('saved').description('list the questions that you or others keep');
  connected(list, async ({ api, options }) => {
    const { items } = await api.get<{ items: readonly SavedQuery[] }>('/v1/activity/saved');
    await printList(
      items,
      [
        { title: 'name', value: (row) => row.name },
        { title: 'by', value: (row) => row.by?.name },
        { title: 'for', value: (row) => (row.shared ? 'everybody' : 'you') },
        { title: 'question', value: questionOf, shrinkTo: 20 },
      ],
      { json: options.json, empty: 'There is none: postern activity save NAME --decision deny' },
    );
  });

  const forget = parent.command('forget <name>').description('keep a question of yours no longer');
  connected(forget, async ({ api, options, args }) => {
    const done = await api.post<object>(path`/v1/activity/saved/${args[0] as string}/forget`, {});
    if (options.json) return printJson(done);
    note(`Forgotten: ${safeLine(args[0] as string)}`);
  });
}

function questionOf({ filter }: SavedQuery): string {
  return Object.entries(filter)
    .map(([name, value]) => `--${name} ${value}`)
    .join(' ');
}
