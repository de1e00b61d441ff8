import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CommandLine } from './support/command-line.ts';
import { run } from './support/processes.ts';

let shell: CommandLine;
before(async () => {
  shell = await CommandLine.start();
});
after(() => shell.stop());

const DENIED = 'select * from hr.salaries';
const PSQL = ['psql', '-X', '-q', '-t', '-A', '-v', 'ON_ERROR_STOP=1', '-c'];
const underGrant = (
  ...command: readonly string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> =>
  shell.call([
    ...['run', '--resource', 'ledger-db', '--principal', 'batch', '--scope', 'select, insert on ledger.*'],
    ...['--for', '10m', '--ticket', 'CHG-1042', '--reason', 'end of day posting', '--', ...command],
  ]);

describe('setup', () => {
  it('makes the first administrator with the one-time token and keeps the API token for them alone', async () => {
    const wrong = await shell.call(
      ['setup', '--data', shell.postern.dataDir, '--name', 'Eve', '--email', 'e@x.example'],
      {
        env: { POSTERN_SETUP_TOKEN: 'setup_guess' },
      },
    );
    assert.equal(wrong.code, 1);
    assert.ok(!existsSync(join(shell.home, 'config', 'postern', 'profile.json')));
    await shell.prepare();
    assert.equal(statSync(join(shell.home, 'config', 'postern', 'profile.json')).mode & 0o777, 0o600);
    const { person } = await shell.json<{ person: { name: string; roles: string[] } }>(['whoami']);
    assert.equal(person.name, 'Ada Boone');
    assert.match(await shell.ok(['whoami']), /^person {10}Ada Boone <ada@bank.example>\n/);
  });

  it('works once', async () => {
    const again = await shell.call(
      ['setup', '--data', shell.postern.dataDir, '--name', 'Eve', '--email', 'e@x.example'],
      {
        env: { POSTERN_SETUP_TOKEN: shell.setupToken },
      },
    );
    assert.equal(again.code, 1);
    assert.equal((await shell.json<{ person: { name: string } }>(['whoami'])).person.name, 'Ada Boone');
  });
});

describe('people and principals', () => {
  it('a token goes to standard output alone and works from a file, from standard input and the environment', async () => {
    await shell.ok(['person', 'add', 'Ed Cho', '--email', 'ed@bank.example', '--role', 'auditor']);
    const made = await shell.call(['person', 'token', 'ed@bank.example', '--for', '1h']);
    const token = made.stdout.trim();
    assert.match(token, /^pat_\S+$/);
    assert.ok(!made.stderr.includes(token));
    const who = async (args: readonly string[], env = {}, input?: string): Promise<string> =>
      (await shell.json<{ person: { name: string } }>(['whoami', ...args], { env, ...(input && { input }) }))
        .person.name;
    assert.equal(await who([], { POSTERN_TOKEN: token }), 'Ed Cho');
    assert.equal(await who(['--token-file', shell.file('token', `${token}\n`)]), 'Ed Cho');
    assert.equal(await who(['--token-file', '-'], {}, `${token}\n`), 'Ed Cho');
    const refused = await shell.call(['grant', 'revoke', 'x', '--reason', 'y'], {
      env: { POSTERN_TOKEN: token },
    });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /^postern: .* \(POSTERN_FORBIDDEN\)/);
    await shell.ok(['person', 'disable', 'ed@bank.example', '--reason', 'left']);
    const dead = await shell.call(['whoami', '--json'], { env: { POSTERN_TOKEN: token } });
    assert.equal(dead.code, 1);
    assert.equal(JSON.parse(dead.stderr).error.code, 'POSTERN_UNAUTHORIZED');
  });

  it('principals are listed, shown, suspended and resumed', async () => {
    assert.match(await shell.ok(['principal', 'list']), /^NAME .*\nbatch {2,}service_account {2,}Ada Boone/);
    assert.match(
      await shell.ok(['principal', 'suspend', 'batch', '--reason', 'INC-1']),
      /suspended \(INC-1\)/,
    );
    const found = await shell.json<{ items: { name: string }[] }>([
      'principal',
      'list',
      '--status',
      'suspended',
    ]);
    assert.deepEqual(
      found.items.map((item) => item.name),
      ['batch'],
    );
    assert.match(await shell.ok(['principal', 'resume', 'batch', '--reason', 'INC-1']), /status +active/);
    assert.match(await shell.ok(['principal', 'show', 'batch']), /last used/);
    const absent = await shell.call(['principal', 'show', 'nobody']);
    assert.equal(absent.code, 1);
    assert.match(absent.stderr, /POSTERN_NOT_FOUND/);
  });
});

describe('resources, grants and credentials', () => {
  it('a resource is tested step by step, and its password is nowhere in what is printed', async () => {
    const tested = await shell.ok(['resource', 'test', 'ledger-db']);
    assert.match(tested, /^ok /);
    await shell.addResource('wrong-db', 'not-the-password');
    const failed = await shell.call(['resource', 'test', 'wrong-db']);
    assert.equal(failed.code, 1);
    assert.match(failed.stdout, /FAIL/);
    const printed = [
      tested,
      failed.stdout,
      failed.stderr,
      await shell.ok(['resource', 'show', 'ledger-db', '--json']),
      await shell.ok(['resource', 'list']),
    ].join('');
    assert.ok(!printed.includes(shell.ledger.password) && !printed.includes('not-the-password'));
    assert.match(await shell.ok(['resource', 'retire', 'wrong-db', '--reason', 'mistake']), /retired/);
  });

  it('a grant ends when it is revoked, and a scope that does not parse is explained', async () => {
    const add = ['grant', 'add', '--principal', 'batch', '--resource', 'ledger-db'];
    const typo = await shell.call([...add, '--scope', 'selct on ledger.*', '--for', '1h']);
    assert.equal(typo.code, 1);
    assert.match(typo.stderr, /selct.*POSTERN_INVALID/);
    const endless = await shell.call([...add, '--scope', 'select on ledger.*']);
    assert.equal(endless.code, 2);
    const grant = await shell.json<{ id: string }>([
      ...add,
      '--scope',
      'select on ledger.*',
      '--for',
      '1h',
      '--ticket',
      'T-1',
    ]);
    assert.ok((await shell.ok(['grant', 'list'])).includes(grant.id));
    assert.match(
      await shell.ok(['grant', 'revoke', grant.id, '--reason', 'done']),
      /status +revoked \(done\)/,
    );
    assert.ok(!(await shell.ok(['grant', 'list'])).includes(grant.id));
    assert.match(await shell.ok(['grant', 'show', grant.id]), /authority +Ada Boone, T-1/);
  });

  it('an issued credential opens psql in each of its forms, and is dead once revoked', async () => {
    const grant = await shell.json<{ id: string }>([
      ...[
        'grant',
        'add',
        '--principal',
        'batch',
        '--resource',
        'ledger-db',
        '--scope',
        'select on ledger.*',
        '--for',
        '1h',
      ],
    ]);
    const issue = ['credential', 'issue', '--principal', 'batch', '--grant', grant.id];
    const query = '-X -t -A -c "select count(*) > 0 from ledger.accounts"';
    const bash = async (script: string): Promise<{ code: number | null; stdout: string }> =>
      run('bash', ['--norc', '-c', script], { env: { PATH: process.env.PATH } });
    assert.equal((await bash(`${await shell.ok(issue)}psql ${query}`)).stdout.trim(), 't');
    const uri = (await shell.ok([...issue, '--format', 'uri'])).trim();
    assert.equal((await bash(`psql '${uri}' ${query}`)).stdout.trim(), 't');
    const ca = join(shell.home, 'client-ca.crt');
    const passFile = shell.file('pgpass', await shell.ok([...issue, '--format', 'pgpass', '--ca-out', ca]));
    const { host, port } = shell.postern.postgres;
    const target = `host=${host} port=${port} user=batch dbname=ledger-db sslmode=verify-full sslrootcert=${ca}`;
    assert.equal((await bash(`PGPASSFILE=${passFile} psql '${target}' ${query}`)).stdout.trim(), 't');
    const issued = await shell.json<{ password: string; credential: { id: string } }>(issue);
    const withPassword = `PGPASSWORD=${issued.password} psql '${target}' ${query}`;
    assert.equal((await bash(withPassword)).stdout.trim(), 't');
    await shell.ok(['credential', 'revoke', issued.credential.id, '--reason', 'lost']);
    assert.equal((await bash(withPassword)).code, 2);
    assert.ok(!(await shell.ok(['credential', 'list', '--json'])).includes(issued.password));
    await shell.ok(['grant', 'revoke', grant.id, '--reason', 'done']);
  });
});

describe('activity', () => {
  it('answers what a job did and on whose authority', async () => {
    assert.equal((await underGrant(...PSQL, 'select count(*) from ledger.accounts')).code, 0);
    const denied = await underGrant(...PSQL, DENIED);
    assert.equal(denied.code, 1);
    const text = await shell.ok(['activity', '--principal', 'batch', '--summary']);
    assert.match(
      text,
      /^batch \(service_account, active\)\n {2}Posts the entries of the day\n {2}answered for by Ada Boone/,
    );
    assert.match(text, /1 refused/);
    assert.match(text, /select +ledger\.accounts +\d/);
    assert.match(text, /select +hr\.salaries +- +1/);
    assert.match(text, /Ada Boone, CHG-1042: end of day posting/);
    assert.match(text, /revoked .*\(run ended: exit 0\)/);
  });

  it('keeps who reviewed it, which nobody does for what they answer for', async () => {
    await shell.ok(['person', 'add', 'Vera', '--email', 'vera@bank.example', '--role', 'reviewer']);
    const { token } = await shell.json<{ token: string }>(['person', 'token', 'vera@bank.example']);
    const vera = ['--token-file', shell.file('vera.token', token)];
    const review = ['activity', 'reviewed', '--from', '1h', '--finding', 'nothing unusual'];
    const own = await shell.call([...review, '--principal', 'batch']);
    assert.equal(own.code, 1);
    assert.match(own.stderr, /Ada Boone answers for batch and cannot review what it did/);
    const vague = await shell.call([...review, ...vera]);
    assert.equal(vague.code, 2);
    assert.match(vague.stderr, /--principal, or give --privileged/);
    assert.match(
      await shell.ok([...review, '--principal', 'batch', ...vera]),
      /^reviewed: leaves \d+ to \d+ of batch\n/,
    );
    assert.match(
      await shell.ok(['activity', 'reviews', '--principal', 'batch']),
      /batch +\d+ to \d+ +Vera .* nothing unusual/,
    );
  });

  it('is a table, NDJSON, CSV or JSON, page by page or all of it', async () => {
    const rows = (text: string): string[] => text.trimEnd().split(/\r?\n/);
    assert.match(
      rows(await shell.ok(['activity', '--decision', 'deny']))[1] ?? '',
      /batch .*select hr\.salaries +refused: /,
    );
    const all = rows(await shell.ok(['activity', '--all', '--format', 'ndjson'])).map((line) =>
      JSON.parse(line),
    );
    assert.ok(all.length > 3);
    const paged = rows(await shell.ok(['activity', '--all', '--limit', '1', '--format', 'ndjson'])).map(
      (line) => JSON.parse(line),
    );
    assert.deepEqual(
      paged.map((item) => item.id),
      all.map((item) => item.id),
    );
    const csv = rows(await shell.ok(['activity', '--all', '--format', 'csv']));
    assert.match(csv[0] ?? '', /^leaf,id,time,type,principal,delegation,owner,/);
    assert.equal(csv.length, all.length + 1);
    const whole = JSON.parse(await shell.ok(['activity', '--all', '--limit', '2', '--format', 'json']));
    assert.deepEqual(whole, { items: all, next: null });
    const first = await shell.json<{ items: { id: string }[]; next: string }>(['activity', '--limit', '2']);
    const second = await shell.json<{ items: { id: string }[] }>([
      'activity',
      '--limit',
      '2',
      '--cursor',
      first.next,
    ]);
    assert.deepEqual(
      [...first.items, ...second.items].map((item) => item.id),
      all.slice(0, 4).map((item) => item.id),
    );
    const table = await shell.call(['activity', '--limit', '1']);
    assert.match(table.stderr, /There is more: --all, or --cursor \S+/);
  });

  it('shows one record with its statement and its leaf', async () => {
    const { items } = await shell.json<{ items: { id: string }[] }>(['activity', '--decision', 'deny']);
    const text = await shell.ok(['activity', 'show', items[0]?.id ?? '']);
    assert.ok(text.includes(DENIED));
    assert.match(text, /decision +deny/);
    assert.match(text, /"type": "command.denied"/);
  });

  it('finds nothing without failing, and says so', async () => {
    const none = await shell.call(['activity', '--verb', 'truncate', '--since', '1h']);
    assert.deepEqual([none.code, none.stdout], [0, '']);
    assert.match(none.stderr, /Nothing was done/);
    assert.deepEqual(await shell.json(['activity', '--verb', 'truncate']), { items: [], next: null });
  });

  it('ends quietly when its reader has seen enough', async () => {
    const { code, stderr } = await run(
      'bash',
      [
        '--norc',
        '-o',
        'pipefail',
        '-c',
        `"$0" "$1" activity --all --format ndjson | head -n 1`,
        process.execPath,
        join(import.meta.dirname, '../bin/postern'),
      ],
      {
        env: { PATH: process.env.PATH, XDG_CONFIG_HOME: join(shell.home, 'config') },
      },
    );
    assert.deepEqual([code, stderr], [0, '']);
  });
});

describe('ledger and evidence', () => {
  it('the log has a position, a root and a key', async () => {
    const status = await shell.json<{ size: number; vkey: string; checkpoint: string }>(['ledger', 'status']);
    assert.ok(status.size > 10);
    assert.match(await shell.ok(['ledger', 'status']), /verifier key +\S+\+[0-9a-f]{8}\+\S+/);
  });

  it('a package verifies with the key of the log, as a zip and as a folder, and not with another key', async () => {
    const { vkey } = await shell.json<{ vkey: string }>(['ledger', 'status']);
    const made = await shell.json<{ file: string; bytes: number; record: string }>([
      'evidence',
      'export',
      '--out',
      'all.zip',
    ]);
    assert.equal(statSync(join(shell.home, 'all.zip')).size, made.bytes);
    assert.equal(statSync(join(shell.home, 'all.zip')).mode & 0o777, 0o600);
    assert.match(await shell.ok(['verify', 'all.zip', '--key', vkey]), /^VERIFIED/);
    await shell.ok(['evidence', 'export', '--out', 'batch', '--principal', 'batch']);
    const report = await shell.json<{ ok: boolean }>([
      'verify',
      'batch',
      '--key',
      shell.file('log.vkey', `${vkey}\n`),
    ]);
    assert.equal(report.ok, true);
    // It continues the package before.
    assert.equal(readdirSync(join(shell.home, 'batch', 'consistency')).length, 2);
    assert.match(await shell.ok(['evidence', 'compare', 'all.zip', 'batch']), /log_health|grants/);
    const other = `other.example+${'0'.repeat(8)}+${Buffer.concat([Buffer.from([1]), Buffer.alloc(32)]).toString('base64')}`;
    assert.notEqual((await shell.call(['verify', 'batch', '--key', other])).code, 0);
    assert.deepEqual(
      readdirSync(shell.home).filter((name) => /partial|unpacking/.test(name)),
      [],
    );
  });

  it('one changed byte makes verification end with 3 and name the file', async () => {
    const file = join(shell.home, 'batch', 'report.html');
    const bytes = readFileSync(file);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
    writeFileSync(file, bytes);
    const { code, stdout } = await shell.call(['verify', 'batch']);
    assert.equal(code, 3);
    assert.match(stdout, /^NOT VERIFIED[\s\S]*report\.html/);
  });

  it('a package that nobody waits for is fetched later, from the list of jobs, and removed when it is not needed', async () => {
    const job = await shell.json<{ id: string }>(['evidence', 'export', '--no-wait', '--principal', 'batch']);
    await shell.ok(['evidence', 'fetch', job.id, '--out', 'later.zip']);
    assert.match(await shell.ok(['verify', 'later.zip']), /^VERIFIED/);
    const { items } = await shell.json<{ items: { id: string; status: string }[] }>(['evidence', 'jobs']);
    assert.deepEqual([items[0]?.id, items[0]?.status], [job.id, 'done']);
    assert.match(await shell.ok(['evidence', 'jobs', '--status', 'done']), /everything +done/);
    await shell.ok(['evidence', 'cancel', job.id]);
    const gone = await shell.call(['evidence', 'fetch', job.id, '--out', 'gone.zip']);
    assert.equal(gone.code, 1);
    assert.match(gone.stderr, /it is cancelled/);
    assert.equal((await shell.call(['evidence', 'export'])).code, 2);
  });

  it('a package with a framework has its workbook, and verifies', async () => {
    await shell.ok([
      'evidence',
      'export',
      '--out',
      'assessed',
      '--framework',
      'nist-800-53',
      '--period',
      '2026',
    ]);
    assert.ok(statSync(join(shell.home, 'assessed', 'workbook.xlsx')).size > 1000);
    assert.match(await shell.ok(['verify', 'assessed']), /^VERIFIED/);
  });

  it('packages of each period are scheduled, to folders that the configuration names only', async () => {
    const add = ['evidence', 'schedule', 'add', 'quarterly', '--every', 'quarter', '--reason', 'audit'];
    const elsewhere = await shell.call([...add, '--to', shell.home]);
    assert.equal(elsewhere.code, 1);
    assert.match(elsewhere.stderr, /may not be put to.*evidence\.folders/s);
    assert.notEqual((await shell.call([...add, '--framework', 'none'])).code, 0);
    await shell.ok([...add, '--framework', 'nist-800-53']);
    assert.match(
      await shell.ok(['evidence', 'schedule', 'list']),
      /quarterly +quarter +06:00 UTC +nist-800-53/,
    );
    await shell.ok(['evidence', 'schedule', 'end', 'quarterly', '--reason', 'no more']);
    const { items } = await shell.json<{ items: unknown[] }>(['evidence', 'schedule', 'list']);
    assert.deepEqual(items, []);
  });

  it('never writes over evidence, and leaves nothing behind when it fails', async () => {
    const before = statSync(join(shell.home, 'all.zip')).mtimeMs;
    const again = await shell.call(['evidence', 'export', '--out', 'all.zip']);
    assert.equal(again.code, 2);
    assert.equal(statSync(join(shell.home, 'all.zip')).mtimeMs, before);
    assert.equal(
      (await shell.call(['evidence', 'export', '--out', 'x.zip', '--principal', 'nobody'])).code,
      1,
    );
    assert.deepEqual(
      readdirSync(shell.home).filter((name) => name.startsWith('x.zip')),
      [],
    );
    assert.equal((await shell.call(['verify', 'absent.zip'])).code, 1);
  });
});
