/** Reviews at the command line: what is decided takes effect in sessions that are open. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { CommandLine } from './support/command-line.ts';
import { until } from './support/processes.ts';

interface Item {
  readonly id: string;
  readonly grant: string | null;
  readonly status: string;
  readonly effect: { readonly what: string; readonly applied: boolean } | null;
  readonly decision: { readonly view: string } | null;
}
interface Shown {
  readonly view: { readonly sha256: string; readonly text: string };
}

let shell: CommandLine;
let rita: readonly string[];
let rolf: readonly string[];
let grant = '';
let client: pg.Client & { lost: Error[] };

async function reviewer(name: string): Promise<readonly string[]> {
  const email = `${name.toLowerCase()}@bank.example`;
  await shell.ok(['person', 'add', name, '--email', email, '--role', 'reviewer']);
  const { token } = await shell.json<{ token: string }>(['person', 'token', email]);
  return ['--token-file', shell.file(`${name}.token`, token)];
}

async function connect(principal = 'batch', under?: string): Promise<pg.Client & { lost: Error[] }> {
  const issued = await shell.json<{
    username: string;
    password: string;
    connection: { host: string; port: number; ca: string };
  }>([
    ...['credential', 'issue', '--principal', principal],
    ...(under === undefined ? [] : ['--grant', under]),
  ]);
  const { host, port } = issued.connection;
  const session = new pg.Client({
    ...{ host, port, user: issued.username, password: issued.password, database: 'ledger-db' },
    ssl: { rejectUnauthorized: false },
  }) as pg.Client & { lost: Error[] };
  session.lost = [];
  session.on('error', (error) => session.lost.push(error));
  await session.connect();
  return session;
}

const itemsOf = async (name: string): Promise<readonly Item[]> =>
  (await shell.json<{ items: Item[] }>(['review', 'items', name])).items;

before(async () => {
  shell = await CommandLine.start();
  await shell.prepare();
  rita = await reviewer('Rita');
  rolf = await reviewer('Rolf');
  const made = await shell.json<{ id: string }>([
    ...['grant', 'add', '--principal', 'batch', '--resource', 'ledger-db', '--for', '8h'],
    ...['--scope', 'select, insert, drop on ledger.*', '--ticket', 'CHG-1'],
  ]);
  grant = made.id;
  client = await connect();
  await client.query('select count(*) from ledger.entries');
  await client.query('select count(*) from ledger.entries');
  await assert.rejects(client.query('delete from ledger.entries'), { code: '42501' });
});
after(() => shell.stop());

describe('a review at the command line', () => {
  let about: Item;
  let principal: Item;

  it('shows who decides what is granted, used, refused and doubtful, and keeps what was shown', async () => {
    const opened = await shell.ok(['review', 'open', 'autumn', '--resource', 'ledger-db', '--due', '14d']);
    assert.match(opened, /about +resource ledger-db/);
    assert.match(opened, /items +2 open, 0 decided/);
    const { items } = await shell.json<{ items: Item[] }>(['review', 'inbox', ...rita]);
    assert.equal(items.length, 2);
    [principal, about] = items as [Item, Item];
    const shown = await shell.ok(['review', 'show', about.id, ...rita]);
    assert.match(shown, /granted +select, insert, drop on ledger\.\* \(ledger-db/);
    assert.match(shown, /used +ledger-db: 2 commands/);
    assert.match(shown, /select on ledger\.entries: 2, last 2/);
    assert.match(shown, /not used +drop on ledger\.\*/);
    assert.match(shown, /enough would be +select on ledger\.entries/);
    assert.match(shown, /refused +1 x POSTERN_SCOPE_DENIED/);
    assert.match(shown, /risk +it does not expire/);
    assert.match(shown, /risk +it may drop/);
    const { view } = await shell.json<Shown>(['review', 'show', about.id, ...rita]);
    assert.equal(createHash('sha256').update(view.text).digest('hex'), view.sha256);
  });

  it('and who asks for it reads which rights of old grants are not used, at the command line', async () => {
    assert.match((await shell.call(['grant', 'unused', '--days', '1'])).stderr, /was used since/);
    assert.match(await shell.fails(['grant', 'unused', '--days', '0']), /whole number/);
  });

  it('and who asks for it reads what mask rules would have made of what was done', async () => {
    const file = shell.file(
      'masks.yaml',
      'apiVersion: postern/v1\nkind: MaskRule\nmetadata: { name: amounts }\n' +
        'spec: { columns: [ledger.entries.amount], transform: { kind: generalise, bucket: 10 } }\n',
    );
    await client.query('select amount from ledger.entries where id = 1');
    const told = await shell.call(['mask', 'backtest', file]);
    assert.equal(told.code, 0, told.stderr);
    assert.match(told.stdout, /batch +ledger-db +ledger\.entries\.amount +1 +shown +generalise/);
    assert.match(told.stderr, /3 commands of 2 kinds/);
    const { items } = await shell.json<{ items: unknown[] }>(['mask', 'list']);
    assert.deepEqual(items, []);
  });

  it('decides nothing for who was not shown it, or answers for it', async () => {
    const view = '0'.repeat(64);
    const keep = ['review', 'decide', about.id, 'keep', '--reason', 'x', '--view', view];
    assert.match(await shell.fails([...keep, ...rolf]), /Rolf has not been shown what this is about/);
    assert.match(await shell.fails([...keep, ...rita]), /not what you were shown last/);
    assert.match(await shell.fails(keep), /Ada Boone answers for batch/);
    assert.match(await shell.ok(['review', 'preview', 'autumn']), /batch +2 +1 +1 +3/);
  });

  it('narrows a grant under a session that goes on, within a second', async () => {
    const { view } = await shell.json<Shown>(['review', 'show', about.id, ...rita]);
    const suggested = JSON.parse(view.text) as { used: { suggested: string }[] };
    const scope = suggested.used[0]?.suggested ?? '';
    const wider = [
      ...['review', 'decide', about.id, 'narrow', '--scope', 'select on *.*'],
      ...['--reason', 'x', '--view', view.sha256, ...rita],
    ];
    assert.match(await shell.fails(wider), /does not certainly lie within/);
    assert.equal(scope, 'select on ledger.entries');
    const sized = ['review', 'decide', about.id, '--to-used', '--reason', 'reads entries only', ...rita];
    assert.match(await shell.fails(sized), /Look at them first, and say --yes/);
    const both = [...sized, '--yes', '--review', 'autumn'];
    assert.match(await shell.fails(both), /takes an item or a --review/);
    const done = await shell.json<{ items: { decided: Item }[] }>([...sized, '--yes']);
    assert.deepEqual(
      done.items.map(({ decided }) => decided.effect),
      [{ what: 'narrowed', applied: true }],
    );
    await assert.rejects(client.query('select count(*) from ledger.accounts'), { code: '42501' });
    await client.query('select count(*) from ledger.entries');
    assert.deepEqual(client.lost, []);
    const now = await shell.json<{ scope: string; status: string }>(['grant', 'show', grant]);
    assert.deepEqual([now.scope, now.status], ['select on ledger.entries', 'active']);
    assert.match(await shell.fails([...wider]), /decided already by Rita \(narrow\)/);
  });

  it('ends the session and the principal with a revocation from a worksheet, and closes with the last decision', async () => {
    const sheet = await shell.ok(['review', 'worksheet', 'autumn', ...rita]);
    const [head, line] = sheet.trim().split('\r\n');
    assert.match(line ?? '', new RegExp(`^${principal.id},batch,`));
    const filled = `${head}\r\n${(line ?? '').replace(/,,,,,$/, ',revoke,nobody needs it,,,')}\r\n`;
    await shell.ok(['review', 'decide', '--file', shell.file('sheet.csv', filled), ...rita]);
    await until(() => client.lost.length > 0, 'the session is closed', 1000);
    assert.match(String(client.lost[0]), /principal batch is disabled/);
    assert.match(await shell.ok(['review', 'list', '--status', 'all']), /autumn +resource ledger-db +closed/);
    assert.deepEqual(
      (await itemsOf('autumn')).map(({ effect }) => effect?.what),
      ['disabled', 'narrowed'],
    );
  });

  it('is in the evidence: who decided what, having seen what', async () => {
    const folder = join(shell.home, 'package');
    await shell.ok(['evidence', 'export', '--out', folder]);
    await shell.ok(['verify', folder]);
    const items = readFileSync(join(folder, 'populations', 'review_items.csv'), 'utf8');
    const decided = (await itemsOf('autumn')).find(({ id }) => id === about.id);
    assert.ok(items.includes(decided?.decision?.view ?? 'nothing'));
    assert.match(readFileSync(join(folder, 'report.html'), 'utf8'), /reads entries only/);
  });
});

describe('an emergency at the command line', () => {
  it('waits for its review with what was done under it, and for who could not use it', async () => {
    await shell.ok([
      ...['principal', 'add', 'repair', '--kind', 'workload', '--owner', 'ada@bank.example'],
      ...['--backup-owner', 'bea@bank.example', '--purpose', 'x', '--environment', 'lab'],
    ]);
    const policy = `apiVersion: postern/v1
kind: AccessPolicy
metadata: { name: main }
spec:
  rules:
    - { name: glass, what: { longest: 1h }, emergency: { reviewWithin: 1d }, approve: at once }
`;
    await shell.ok(['policy', 'set', shell.file('policy.yaml', policy), '--reason', 'x']);
    const asked = await shell.json<{ grant: string }>([
      ...['request', 'create', '--principal', 'repair', '--resource', 'ledger-db', '--for', '1h'],
      ...['--scope', 'select on ledger.*', '--emergency', '--reason', 'all is down'],
    ]);
    const session = await connect('repair', asked.grant);
    await session.query('select count(*) from ledger.accounts');
    await session.end();
    assert.match(await shell.ok(['review', 'list']), /the emergency of repair on ledger-db +open/);
    const inbox = await shell.json<{ items: Item[] }>(['review', 'inbox', ...rita]);
    const item = inbox.items.find((each) => each.grant === asked.grant) as Item;
    const shown = await shell.ok(['review', 'show', item.id, ...rita]);
    assert.match(shown, /used +ledger-db: 1 commands/);
    assert.match(shown, /select on ledger\.accounts: 1\n/);
    assert.match(shown, /risk +the grant was an emergency/);
    const decide = async () => {
      const { view } = await shell.json<Shown>(['review', 'show', item.id, ...rita]);
      const words = ['review', 'decide', item.id, 'keep', '--reason', 'fine', '--view', view.sha256];
      return [...words, ...rita];
    };
    assert.match(await shell.fails(await decide()), /The emergency lasts until/);
    await shell.ok(['grant', 'release', asked.grant]);
    assert.match((await shell.call(await decide())).stderr, /the grant of repair on ledger-db is kept/);
    const folder = join(shell.home, 'emergency');
    await shell.ok(['evidence', 'export', '--out', folder]);
    await shell.ok(['verify', folder]);
    assert.match(readFileSync(join(folder, 'report.html'), 'utf8'), /<h2>Emergencies[\s\S]*in order/);
    await shell.ok(['policy', 'retire', 'main', '--reason', 'x']);
  });
});

describe('a schedule at the command line', () => {
  it('opens a review by itself, whose missed deadline suspends what nobody decided on', async () => {
    await shell.ok([
      ...['principal', 'add', 'forgotten', '--kind', 'workload', '--owner', 'ada@bank.example'],
      ...['--backup-owner', 'bea@bank.example', '--purpose', 'x', '--environment', 'lab'],
    ]);
    await shell.ok([
      ...['review', 'schedule', 'add', 'quarterly', '--every', '90d', '--environment', 'lab'],
      ...['--due', '1s', '--grace', '0', '--reason', 'policy IAM-7'],
    ]);
    await until(
      async () =>
        (await shell.json<{ status: string }>(['principal', 'show', 'forgotten'])).status === 'suspended',
      'the principal is suspended',
      20_000,
    );
    assert.match(await shell.ok(['review', 'schedule', 'list']), /quarterly +environment lab +90 d +active/);
    assert.match(
      await shell.ok(['principal', 'show', 'forgotten']),
      /review quarterly-.*nobody decided in time/,
    );
  });
});
