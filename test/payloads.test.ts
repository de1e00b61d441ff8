import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { uuidv7 } from '../src/core/ids.ts';
import { JournalWriter } from '../src/ledger/journal.ts';
import { CommandLine } from './support/command-line.ts';

interface Item {
  readonly id: string;
  readonly type: string;
  readonly reason: string | null;
}

/** Texts from psql to their end: a real Postern, a real PostgreSQL, the command line. */
describe('texts of commands', () => {
  let shell: CommandLine;
  before(async () => {
    shell = await CommandLine.start();
    await shell.prepare();
    const psql = (sql: string): readonly string[] => ['psql', '-X', '-q', '-t', '-A', '-c', sql];
    const run = (sql: string): Promise<string> =>
      shell.ok([
        ...['run', '--resource', 'ledger-db', '--principal', 'batch', '--scope', 'select on ledger.*'],
        ...['--for', '10m', '--ticket', 'CHG-1', '--reason', 'test', '--', ...psql(sql)],
      ]);
    await run("select count(*) from ledger.customers where name = 'Erika Mustermann'");
    await run("select count(*) from ledger.customers where name = 'Erika Mustermann'");
    await run('select count(*) from ledger.accounts');
    // What a worker of an earlier run, of which there were more, may have left: a whole file, and one that was cut off.
    const { items } = await shell.json<{ items: readonly { principal: object }[] }>([
      ...['activity', '--principal', 'batch'],
    ]);
    const ended = JournalWriter.create(join(shell.postern.dataDir, 'journal'), 'worker-7');
    ended.append(
      JSON.stringify({
        id: uuidv7(),
        time: new Date().toISOString().replace('Z', '000Z'),
        type: 'config.changed',
        actor: { kind: 'principal', ...items[0]?.principal },
        principal: items[0]?.principal,
      }),
      [
        {
          kind: 'statement',
          data: Buffer.from("select count(*) from ledger.customers where name = 'Erika Mustermann'"),
        },
      ],
    );
    ended.close();
    writeFileSync(`${ended.path}.torn`, 'Erika Muster');
  });
  after(() => shell.stop());

  /** Files of the data directory that have these bytes. */
  const filesWith = (text: string): string[] =>
    readdirSync(shell.postern.dataDir, { recursive: true, withFileTypes: true })
      .filter((each) => each.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
      .filter((file) => readFileSync(file).includes(text));

  const items = async (...args: readonly string[]): Promise<readonly Item[]> =>
    (await shell.json<{ items: readonly Item[] }>(['activity', ...args])).items;
  const ofText = async (text: string): Promise<string[]> => {
    const found: string[] = [];
    for (const { id } of await items('--principal', 'batch')) {
      const detail = await shell.json<{ statement: string | null }>(['activity', 'show', id]);
      if (detail.statement?.includes(text)) found.push(id);
    }
    return found;
  };

  it('are exported masked, and the package verifies', async () => {
    const out = join(shell.home, 'masked');
    await shell.ok(['evidence', 'export', '--out', out, '--statements', 'masked']);
    const verified = await shell.ok(['verify', out]);
    assert.match(verified, /statements masked, bind values withheld/);
    const rows = readFileSync(join(out, 'activity', 'commands.ndjson'), 'utf8');
    assert.equal(rows.includes('Erika'), false);
    assert.match(rows, /"masked":"select count\(\*\) from ledger.customers where name = ''"/);
  });

  it('are erased by record, unless on hold and not without being asked for; whoever looks sees who, when and why', async () => {
    assert.ok(filesWith('Erika').length >= 2);
    const [first, second] = await ofText('Erika');
    assert.ok(first && second);
    const erase = ['payload', 'erase', first, '--reason', 'DP-77'];
    const unasked = await shell.call(erase);
    assert.equal(unasked.code, 2);
    assert.match(unasked.stderr, /1 text \(statement\) of batch[\s\S]*it concerns 3 records/);
    const hold = await shell.json<{ id: string }>([
      'hold',
      'place',
      '--principal',
      'batch',
      '--reason',
      'case 17',
    ]);
    const held = await shell.call([...erase, '--yes']);
    assert.deepEqual([held.code, /POSTERN_CONFLICT/.test(held.stderr)], [1, true]);
    assert.match(await shell.ok(['hold', 'list']), /batch .* active .* case 17/);
    await shell.ok(['hold', 'release', hold.id, '--reason', 'settled']);
    const done = await shell.call([...erase, '--yes']);
    assert.equal(done.code, 0, done.stderr);
    assert.equal(done.stderr, '');
    // No file has it: no journal, whole or torn, no database, no write-ahead file.
    assert.deepEqual(filesWith('Erika'), []);
    assert.equal(
      readdirSync(join(shell.postern.dataDir, 'journal')).some((name) => name.endsWith('.torn')),
      false,
    );
    assert.match(
      await shell.ok(['activity', 'show', second]),
      /The statement was erased by Ada Boone on .*: DP-77/,
    );
    assert.deepEqual(await ofText('Erika'), []);
    assert.equal((await ofText('ledger.accounts')).length, 1);
    const changes = await items('--principal', 'batch', '--type', 'change');
    assert.equal(changes.find(({ type }) => type === 'payload.erased')?.reason, 'DP-77');
    const out = join(shell.home, 'erased.zip');
    await shell.ok(['evidence', 'export', '--out', out]);
    assert.match(
      await shell.ok(['verify', out]),
      /2 erased, as recorded in the log[\s\S]*by Ada Boone at .*: DP-77/,
    );
    assert.match(await shell.ok(['ledger', 'check', '--data', shell.postern.dataDir]), /payloads/);
  });

  it('are kept for as long as the policy says', async () => {
    assert.match(await shell.ok(['retention', 'show']), /\(default\) +forever +forever/);
    await shell.ok(['retention', 'set', '--statements', '400d', '--parameters', '90d']);
    const set = await shell.ok(['retention', 'set', '--classification', 'secret', '--parameters', '30d']);
    assert.match(set, /\(default\) +400d +90d\nsecret +400d +30d/);
    assert.match((await shell.call(['retention', 'run', '--dry-run'])).stderr, /Nothing is due/);
    assert.equal((await shell.call(['retention', 'set', '--statements', 'soon'])).code, 2);
    const changes = await items('--type', 'change');
    assert.equal(changes.filter(({ type }) => type === 'retention.changed').length, 2);
  });
});
