import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CommandLine } from './support/command-line.ts';
import { run } from './support/processes.ts';

interface Request {
  readonly id: string;
  readonly status: string;
  readonly needs: readonly string[];
  readonly grant: string | null;
}

const POLICY = `apiVersion: postern/v1
kind: AccessPolicy
metadata: { name: main }
spec:
  rules:
    - name: nobody-reads-salaries
      what: { scope: 'all on hr.*' }
      deny: Salaries are read in the HR system.
    - name: reading
      what: { resources: [ledger-db], scope: 'select on ledger.*', longest: 1h }
      grant: { maxRows: 100 }
      approve: at once
    - name: writing
      what: { resources: [ledger-db], scope: 'all on ledger.*', longest: 30m }
      when: { ticket: 'CHG-*' }
      approve: [{ from: ['role:approver'] }]
  cases:
    - name: whoever reads the ledger may
      ask: { principal: { name: any }, resource: { name: ledger-db }, scope: 'select on ledger.entries', for: 30m }
      expect: { decision: at once, rule: reading }
    - name: salaries stay where they are
      ask: { principal: { name: any }, resource: { name: ledger-db }, scope: 'select on *.*', for: 5m }
      expect: { decision: denied, rule: nobody-reads-salaries }
`;

let shell: CommandLine;
let file: string;
before(async () => {
  shell = await CommandLine.start();
  await shell.prepare();
  file = shell.file('ledger.yaml', POLICY);
});
after(() => shell.stop());

const ask = (scope: string, ...more: readonly string[]): readonly string[] => [
  ...['request', 'create', '--principal', 'batch', '--resource', 'ledger-db', '--scope', scope, ...more],
];

describe('the access policy at the command line', () => {
  it('is tested before it is in force, and refused where it is wrong, with the line', async () => {
    assert.match(
      await shell.ok(['policy', 'test', file]),
      /ok +salaries stay where they are: denied by nobody-reads/,
    );
    const wrong = shell.file('wrong.yaml', POLICY.replace('select on ledger.*', 'selekt on ledger.*'));
    const refused = await shell.fails(['policy', 'set', wrong, '--reason', 'x']);
    assert.match(refused, /wrong\.yaml:10: spec\/rules\/1\/what\/scope: .*"selekt" is not a verb/);
    const failing = shell.file('failing.yaml', POLICY.replace('decision: at once', 'decision: denied'));
    assert.match(
      await shell.fails(['policy', 'test', failing]),
      /expected denied by reading, but at once by reading/,
    );
    assert.match(await shell.fails(['policy', 'diff', file]), /^\+ {4}- name: reading/m);
    await shell.ok(['policy', 'set', file, '--reason', 'CHG-1']);
    assert.match(await shell.ok(['policy', 'list']), /main +1 +active +3/);
  });

  it('gives at once what it says, under its conditions, and a real client works under it', async () => {
    const request = await shell.json<Request>(ask('select on ledger.entries', '--for', '10m'));
    assert.equal(request.status, 'granted');
    const { username, password, connection } = await shell.json<{
      username: string;
      password: string;
      connection: { host: string; port: number; ca: string };
    }>(['credential', 'issue', '--principal', 'batch', '--grant', request.grant ?? '']);
    const env = {
      ...process.env,
      ...{ PGHOST: connection.host, PGPORT: String(connection.port), PGUSER: username, PGPASSWORD: password },
      ...{ PGDATABASE: 'ledger-db', PGSSLMODE: 'require' },
    };
    const done = await run('psql', ['-Atc', 'select count(*) > 0 from ledger.entries'], { env });
    assert.equal(done.stdout.trim(), 't', done.stderr);
    const refused = await run('psql', ['-Atc', 'select * from hr.salaries'], { env });
    assert.match(refused.stderr, /no active grant covers select on hr\.salaries/);
    const shown = await shell.ok(['grant', 'show', request.grant ?? '']);
    assert.match(shown, /only +results of at most 100 rows/);
    assert.match(shown, /authority +policy main\/reading/);
  });

  it('denies the rest with what would be needed, and nobody makes a grant beside it', async () => {
    const salaries = await shell.fails(ask('select on hr.salaries', '--for', '10m'));
    assert.match(salaries, /Salaries are read in the HR system/);
    const writing = await shell.fails(ask('insert on ledger.entries', '--for', '10m'));
    assert.match(writing, /writing would need a ticket like CHG-\*/);
    const beside = await shell.fails([
      ...['grant', 'add', '--principal', 'batch', '--resource', 'ledger-db'],
      ...['--scope', 'select on ledger.*', '--for', '1h'],
    ]);
    assert.match(beside, /There is an access policy/);
  });

  it('lets a request wait for those whom it names, who see it in their inbox', async () => {
    const request = await shell.json<Request>(
      ask('insert on ledger.entries', '--for', '10m', '--ticket', 'CHG-7'),
    );
    assert.deepEqual([request.status, request.needs], ['pending', ['1 of role:approver']]);
    const again = await shell.json<Request>(
      ask('insert on ledger.entries', '--for', '10m', '--ticket', 'CHG-7'),
    );
    assert.equal(again.id, request.id);
    assert.match(
      await shell.fails(['request', 'approve', request.id]),
      /made the request and does not decide/,
    );
    await shell.ok(['person', 'add', 'Max', '--email', 'max@bank.example', '--role', 'approver']);
    const token = await shell.json<{ token: string }>(['person', 'token', 'max@bank.example']);
    const max = ['--token-file', shell.file('max.token', token.token)];
    const { items } = await shell.json<{ items: Request[] }>(['request', 'inbox', ...max]);
    assert.deepEqual(
      items.map(({ id }) => id),
      [request.id],
    );
    const done = await shell.json<Request>(['request', 'approve', request.id, '--comment', 'fine', ...max]);
    assert.equal(done.status, 'granted');
    assert.match(await shell.ok(['request', 'show', request.id]), /agreed +Max, .*: fine/);
    const renewed = await shell.json<Request>([
      'request',
      'renew',
      done.grant ?? '',
      '--for',
      '5m',
      '--ticket',
      'CHG-7',
    ]);
    assert.equal(renewed.status, 'pending');
    assert.match(
      await shell.ok(['request', 'withdraw', renewed.id, '--reason', 'done']),
      /withdrawn \(done\)/,
    );
  });

  it('is tried on what was done before it is in force, and says what is used of what is granted', async () => {
    const stricter = shell.file(
      'stricter.yaml',
      POLICY.replace('select on ledger.*', 'select on ledger.accounts').split('cases:')[0] ?? '',
    );
    const done = await shell.call(['policy', 'backtest', stricter, '--json']);
    assert.equal(done.code, 0, done.stderr);
    const { rows, commands } = JSON.parse(done.stdout) as {
      commands: number;
      rows: { scope: string; before: string; after: string; change: string }[];
    };
    assert.equal(commands, 1);
    assert.deepEqual(
      rows.map(({ scope, before, after, change }) => [scope, before, after, change]),
      [['select on ledger.entries', 'at once by reading', '1 of role:approver by writing', 'otherwise']],
    );
    assert.match(await shell.ok(['policy', 'backtest', file]), /^$/);
    const wider = POLICY.replace("'all on hr.*'", "'all on secret.*'").split('cases:')[0] ?? '';
    const opened = await shell.json<{ refused: number; rows: { scope: string; refused: boolean }[] }>([
      ...['policy', 'backtest', shell.file('wider.yaml', wider.replace("'all on ledger.*'", "'all on *.*'"))],
    ]);
    assert.equal(opened.refused, 1);
    assert.deepEqual(
      opened.rows.map(({ scope, refused }) => [scope, refused]),
      [['select on hr.salaries', true]],
    );
    const sized = await shell.ok(['principal', 'right-size', 'batch']);
    assert.match(sized, /granted {2}insert on ledger\.entries/);
    assert.match(sized, /used {5}select on ledger\.entries \(1 command\)/);
    assert.match(sized, /- insert on ledger\.entries/);
  });

  it('is asked for what was used by one command, and for nothing where nothing was', async () => {
    const size = ['principal', 'right-size', 'batch'];
    const one = [...size, '--resource', 'ledger-db', '--request'];
    const asked = await shell.json<Request & { scope: string }>([...one, '--for', '10m']);
    assert.deepEqual([asked.status, asked.scope], ['granted', 'select on ledger.entries']);
    await shell.ok(['grant', 'release', asked.grant ?? '']);
    assert.match(await shell.fails([...size, '--request', '--for', '10m']), /takes a --resource/);
    assert.match(await shell.fails(one), /--for how long/);
    assert.match(await shell.fails([...size, '--ticket', 'CHG-1']), /--ticket goes with --request/);
    await shell.ok([
      ...['principal', 'add', 'idle', '--kind', 'agent', '--owner', 'ada@bank.example'],
      ...['--backup-owner', 'bea@bank.example', '--purpose', 'x', '--environment', 'test'],
    ]);
    const idle = ['principal', 'right-size', 'idle', '--resource', 'ledger-db'];
    const nothing = await shell.fails([...idle, '--request', '--for', '1h']);
    assert.match(nothing, /did nothing on ledger-db/);
  });

  const running = (scope: string, ...more: readonly string[]): readonly string[] => [
    ...['run', '--resource', 'ledger-db', '--principal', 'batch', '--scope', scope, '--for', '10m', ...more],
    ...['--', 'psql', '-XAtqc', 'select count(*) > 0 from ledger.entries'],
  ];
  const grantIn = (said: string): Promise<{ status: string; endReason: string }> =>
    shell.json(['grant', 'show', /grant ([0-9a-f-]{36})/.exec(said)?.[1] ?? '']);

  it('gives a run its grant by a request, which is given back when it ends', async () => {
    const done = await shell.call(running('select on ledger.*'));
    assert.deepEqual([done.code, done.stdout], [0, 't\n'], done.stderr);
    const { status, endReason } = await grantIn(done.stderr);
    assert.deepEqual([status, endReason], ['revoked', 'released: run ended: exit 0']);
    const denied = await shell.fails(running('select on hr.salaries'));
    assert.match(denied, /is denied: Salaries are read in the HR system/);
  });

  it('has a run wait for those who have to agree; Ctrl-C takes the request back', async () => {
    const writing = running('select, insert on ledger.*', '--ticket', 'CHG-9');
    const [max] = [['--token-file', join(shell.home, 'max.token')]];
    const waiting = await shell.begin(writing);
    const [, id = ''] = await waiting.waitFor(/request ([0-9a-f-]{36}) waits for 1 of role:approver/);
    await shell.ok(['request', 'approve', id, ...max]);
    const exit = await waiting.exited;
    assert.equal(exit.code, 0);
    assert.match((await shell.json<Request>(['request', 'show', id])).status, /granted/);

    const stopped = await shell.begin(writing);
    const [, second = ''] = await stopped.waitFor(/request ([0-9a-f-]{36}) waits for/);
    stopped.child.kill('SIGINT');
    await stopped.exited;
    assert.equal((await shell.json<Request>(['request', 'show', second])).status, 'withdrawn');

    const late = await shell.fails(running('insert on ledger.*', '--ticket', 'CHG-9', '--wait', '1s'));
    assert.match(late, /is pending: nobody decided in time/);
    const left = await shell.json<{ items: Request[] }>(['request', 'list']);
    assert.deepEqual(left.items, []);
    const { items } = await shell.json<{ items: object[] }>(['grant', 'list']);
    assert.equal(items.length, 2, 'what was granted before, and nothing of the runs');
  });
});
