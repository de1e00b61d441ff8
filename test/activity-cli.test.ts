import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CommandLine } from './support/command-line.ts';

interface Told {
  readonly statement: string | null;
  readonly objects: readonly string[];
  readonly status: string | null;
  readonly grant: string | null;
  readonly ticket: string | null;
  readonly owner: { readonly name: string } | null;
  readonly authority: { readonly approvers: readonly { readonly name: string }[] } | null;
}

/** "What did this identity do, and on whose authority?" in one command. */
describe('activity at the command line', () => {
  let shell: CommandLine;
  before(async () => {
    shell = await CommandLine.start();
    await shell.prepare();
    await shell.ok([
      ...[
        'run',
        '--resource',
        'ledger-db',
        '--principal',
        'batch',
        '--scope',
        'select on ledger.*',
        '--for',
        '10m',
      ],
      ...['--ticket', 'CHG-1', '--reason', 'test', '--', 'psql', '-X', '-q', '-t', '-A'],
      ...['-c', "select count(*) from ledger.accounts where 'größe' = '=cmd'"],
    ]);
  });
  after(() => shell.stop());

  const ASK = ['activity', '--principal', 'batch', '--period', 'this-year'] as const;

  it('has statement, objects, outcome, grant, approver, ticket and owner of each command of a period', async () => {
    const { items } = await shell.json<{ items: readonly Told[] }>([
      ...ASK,
      '--object',
      'ledger.*',
      '--statements',
    ]);
    const [item] = items;
    assert.match(item?.statement ?? '', /größe/);
    assert.deepEqual([item?.objects, item?.status, item?.ticket], [['ledger.accounts'], 'ok', 'CHG-1']);
    assert.notEqual(item?.grant ?? null, null);
    assert.notEqual(item?.owner?.name ?? null, null);
    assert.equal(item?.authority?.approvers.length, 1);
    const table = await shell.ok([...ASK, '--wide', '--statements']);
    for (const text of [
      'OWNER',
      'GRANT',
      'APPROVERS',
      'TICKET',
      'STATEMENT',
      'CHG-1',
      'größe',
      item?.grant ?? '?',
    ]) {
      assert.equal(table.includes(text), true, text);
    }
    const csv = await shell.ok([...ASK, '--statements', '--format', 'csv']);
    assert.match(csv.split('\n')[0] ?? '', /,statement,parameters/);
    const none = await shell.json<{ items: readonly Told[] }>([
      'activity',
      '--principal',
      'batch',
      '--period',
      'last-year',
    ]);
    assert.equal(none.items.length, 0);
  });

  it('keeps a question and asks it again', async () => {
    await shell.ok([
      'activity',
      'save',
      'accounts',
      '--principal',
      'batch',
      '--object',
      'ledger.accounts',
      '--shared',
    ]);
    assert.match(
      await shell.ok(['activity', 'saved']),
      /accounts .*everybody .*--principal batch --object ledger.accounts/,
    );
    const again = await shell.json<{ items: readonly Told[] }>(['activity', '--saved', 'accounts']);
    assert.equal(again.items.length, 1);
    await shell.ok(['activity', 'forget', 'accounts']);
  });

  it('adds a sink, shows how far it has come, and retires it', async () => {
    await shell.ok(['sink', 'add', 'archive', '--file', '--from-beginning', '--max-mb', '2']);
    const shown = await shell.ok(['sink', 'show', 'archive']);
    assert.match(shown, /DATA\/sinks\/archive/);
    assert.match(await shell.ok(['sink', 'test', 'archive']), /yes/);
    assert.match(await shell.ok(['sink', 'retire', 'archive', '--reason', 'done']), /retired: done/);
    assert.match(await shell.ok(['sink', 'list']), /archive/);
  });
});
