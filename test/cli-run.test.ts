import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { CommandLine } from './support/command-line.ts';
import type { Finished } from './support/processes.ts';

interface Grant {
  readonly id: string;
  readonly status: string;
  readonly endReason: string | null;
}

let shell: CommandLine;
before(async () => {
  shell = await CommandLine.start();
  await shell.prepare();
});
after(() => shell.stop());

const RUN = ['run', '--resource', 'ledger-db', '--scope', 'select, insert on ledger.*', '--for', '10m'];
const psql = (sql: string): string[] => ['psql', '-X', '-q', '-t', '-A', '-v', 'ON_ERROR_STOP=1', '-c', sql];
const printEnv = 'process.stdout.write(JSON.stringify(process.env))';

/** Runs a command under a grant made for it. Its temporary files go to a folder of its own, to be looked at. */
const under = (command: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> =>
  shell.call([...RUN, '--', ...command], { env: { TMPDIR: shell.home, ...env } });
const grantOf = async (stderr: string): Promise<Grant> =>
  shell.json<Grant>(['grant', 'show', /grant ([0-9a-f-]{36})/.exec(stderr)?.[1] ?? '']);
const activeGrants = async (): Promise<readonly Grant[]> =>
  (await shell.json<{ items: Grant[] }>(['grant', 'list'])).items;
const activeCredentials = async (): Promise<number> =>
  (await shell.json<{ items: object[] }>(['credential', 'list'])).items.length;
const leftOver = (): string[] => readdirSync(shell.home).filter((name) => name.startsWith('postern-run-'));

async function assertNothingLeft(): Promise<void> {
  assert.deepEqual(await activeGrants(), []);
  assert.equal(await activeCredentials(), 0);
  assert.deepEqual(leftOver(), []);
}

describe('run', () => {
  it('gives the command a verified connection as the principal, and nothing is left when it ends', async () => {
    const done = await under(psql('select current_database(), count(*) > 1000 from ledger.entries'));
    assert.equal(done.code, 0, done.stderr);
    assert.equal(done.stdout, 'bank|t\n', 'standard output is the command’s alone');
    const grant = await grantOf(done.stderr);
    assert.deepEqual([grant.status, grant.endReason], ['revoked', 'run ended: exit 0']);
    await assertNothingLeft();
  });

  it('holds the command to its scope, and hands on its exit code', async () => {
    const done = await under(psql('select * from hr.salaries'));
    assert.equal(done.code, 1);
    assert.match(done.stderr, /hr\.salaries/);
    assert.equal((await grantOf(done.stderr)).endReason, 'run ended: exit 1');
    assert.equal((await under(['sh', '-c', 'exit 42'])).code, 42);
    await assertNothingLeft();
  });

  it("keeps its starter's token and other secrets from the command", async () => {
    const { token } = JSON.parse(shell.read('config/postern/profile.json')) as { token: string };
    const done = await under([process.execPath, '-e', printEnv], {
      POSTERN_TOKEN: token,
      POSTERN_UPSTREAM_PASSWORD: 'upstream-secret',
      PGHOSTADDR: '203.0.113.1',
      PGSERVICE: 'elsewhere',
    });
    assert.ok(!done.stdout.includes(token) && !done.stdout.includes('upstream-secret'));
    assert.ok(!done.stdout.includes(shell.ledger.password));
    const env = JSON.parse(done.stdout) as Record<string, string>;
    assert.equal(env.PGUSER, 'batch');
    assert.equal(env.PGDATABASE, 'ledger-db');
    assert.equal(env.PGSSLMODE, 'verify-full');
    assert.equal(env.POSTERN_GRANT, (await grantOf(done.stderr)).id);
    assert.ok(!('PGHOSTADDR' in env) && !('PGSERVICE' in env));
    assert.ok(!existsSync(env.PGSSLROOTCERT ?? ''));
  });

  it('ends with 127 for a command that is not there and 126 for one that cannot be run, grant ended', async () => {
    const missing = await under(['postern-no-such-command']);
    assert.equal(missing.code, 127);
    assert.match((await grantOf(missing.stderr)).endReason ?? '', /could not be started/);
    assert.equal((await under([shell.home])).code, 126);
    await assertNothingLeft();
  });

  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
  ] as const) {
    it(`passes ${signal} on, ends the grant and its live session, and ends as the command does`, async () => {
      const running = await shell.begin(
        [
          ...RUN,
          '--',
          'psql',
          '-X',
          '-c',
          "select 'is up' from ledger.accounts limit 1",
          '-c',
          'select pg_sleep(60)',
        ],
        {
          env: { TMPDIR: shell.home },
        },
      );
      await running.waitFor(/is up/);
      assert.equal((await shell.json<{ items: object[] }>(['session', 'list'])).items.length, 1);
      running.child.kill(signal);
      const ended = await running.exited;
      // psql's own answer to SIGINT is to cancel its statement and to fail.
      assert.ok(
        ended.code === code || (signal === 'SIGINT' && ended.code === 1),
        `${ended.code} ${running.stderr}`,
      );
      assert.match((await grantOf(running.stderr)).endReason ?? '', /^run ended: (?:signal|exit)/);
      await assertNothingLeft();
    });
  }

  it('on a terminal, Ctrl-C reaches the command once, and the grant ends', async () => {
    const trap = 'trap "echo interrupted; n=1$n" INT; echo is up; sleep 60; sleep 1; exit 7$n';
    const command = [...RUN, '--', 'sh', '-c', trap];
    // `script` gives it a terminal of its own, whose keys come from our end of the pipe.
    const running = await shell.beginOnTerminal(command, { env: { TMPDIR: shell.home } });
    await running.waitFor(/is up/);
    running.child.stdin?.write('\x03');
    const { code } = await running.exited;
    assert.equal(code, 71, running.stdout);
    assert.equal(running.stdout.match(/interrupted/g)?.length, 1);
    assert.match(running.stdout, /ended \(run ended: exit 71\)/);
    await assertNothingLeft();
  });

  it('uses a grant named or found, and leaves that as it is', async () => {
    const grant = await shell.json<Grant>([
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
    const query = psql('select 1 from ledger.accounts limit 1');
    assert.equal(await shell.ok(['run', '--grant', grant.id, '--', ...query]), '1\n');
    assert.equal(await shell.ok(['run', '--resource', 'ledger-db', '--', ...query]), '1\n');
    assert.equal(await activeCredentials(), 0);
    assert.deepEqual(
      (await activeGrants()).map((one) => one.id),
      [grant.id],
    );
    const other = await shell.call(['run', '--grant', grant.id, '--resource', 'other-db', '--', 'true']);
    assert.deepEqual([other.code, /is for the resource ledger-db/.test(other.stderr)], [2, true]);
    await shell.ok(['grant', 'revoke', grant.id, '--reason', 'done']);
    const none = await shell.call(['run', '--resource', 'ledger-db', '--', 'true']);
    assert.deepEqual([none.code, /POSTERN_GRANT_MISSING/.test(none.stderr)], [1, true]);
  });

  it('does not start the command when the grant is refused', async () => {
    const marker = `${shell.home}/started`;
    const done = await shell.call([
      'run',
      '--resource',
      'ledger-db',
      '--scope',
      'nonsense',
      '--',
      'touch',
      marker,
    ]);
    assert.equal(done.code, 1);
    assert.ok(!existsSync(marker));
    await assertNothingLeft();
  });

  it('says loudly how to end the grant when Postern is gone, and still hands on the exit code', async () => {
    // The command itself ends Postern, then fails.
    const done = await under(['sh', '-c', `kill -9 ${shell.postern.pid}; exit 5`]);
    assert.equal(done.code, 5);
    assert.match(done.stderr, /THE GRANT \S+ COULD NOT BE REVOKED\. It ends by itself \d{4}-/);
    assert.match(done.stderr, /postern grant revoke [0-9a-f-]{36} --reason "run ended: exit 5"/);
    assert.deepEqual(leftOver(), []);
  });
});
