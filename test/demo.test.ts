/** The demo is the first thing that people run. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Running, run, start, until } from './support/processes.ts';

const BOOTSTRAP = fileURLToPath(new URL('../scripts/bootstrap.sh', import.meta.url));

let base: string;
const started: Running[] = [];

before(() => {
  base = mkdtempSync(join(tmpdir(), 'postern-test-'));
});

after(async () => {
  for (const demo of started) await demo.stop('SIGTERM', 30_000);
  rmSync(base, { recursive: true, force: true });
});

async function play(colours: 'NO_COLOR' | 'FORCE_COLOR', ...options: string[]): Promise<Running> {
  const { NO_COLOR: _, FORCE_COLOR: __, ...clean } = process.env;
  const env = { ...clean, [colours]: '1' };
  const demo = await start('sh', [BOOTSTRAP, 'demo/main.ts', '--in', base, ...options], { env });
  started.push(demo);
  return demo;
}

const file = (name: string): string => join(base, '.postern-demo', name);
const alive = (pid: number): boolean => existsSync(`/proc/${pid}`);

test('the demo tells the story to its end and leaves gateway and database running for its visitor', async () => {
  const demo = await play('NO_COLOR');
  await demo.waitFor(/Ctrl-C ends everything/, 80_000);
  let last = -1;
  for (const landmark of [
    'This one-time token makes one',
    'you are the first administrator',
    'owner        Grace Okafor',
    /ok +authenticate .* as ledger_app/,
    /interest paid to \d{4} accounts with \d{4} statements/,
    'ended (run ended: exit 0)',
    /Noah Abara .*\*{4,}2926/,
    'no active grant covers select on column tax_id of ledger.customers',
    'ERROR:  42501: postern: no active grant covers select on hr.salaries',
    'ERROR:  postern: no active grant covers drop on ledger.entries',
    'current transaction is aborted',
    'what           select hr.salaries',
    'session closed: the grant on ledger-db was revoked: posting repaired',
    /psql: error: .*FATAL: {2}postern: /,
    'answered for by Grace Okafor',
    'Ada Boone, CHG-1042: nightly interest',
    /^ {2}VERIFIED: everything/m,
    /^ {2}NOT VERIFIED/m,
    /tlog\/tile\/entries\/\S+, leaf \d+, record [0-9a-f-]{36}\n/,
  ]) {
    const rest = demo.stdout.slice(last + 1);
    const at = typeof landmark === 'string' ? rest.indexOf(landmark) : rest.search(landmark);
    assert.ok(at >= 0, `${landmark} is not in:\n${rest}`);
    last += 1 + at;
  }

  assert.equal(statSync(file('env')).mode & 0o777, 0o600);
  const visitor = (command: string) =>
    run('sh', ['-c', `. "${file('env')}"; ${command}`], {
      cwd: base,
      env: { ...process.env, NO_COLOR: '1' },
    });
  const inside = await visitor(`psql -X -At -c 'select count(*) from ledger.accounts'`);
  assert.equal(inside.stdout, '7502\n', inside.stderr);
  const outside = await visitor(`psql -X -c 'select * from hr.salaries'`);
  assert.match(outside.stderr, /postern: no active grant covers select on hr\.salaries/);
  const asked = await visitor('postern activity --decision deny');
  assert.match(asked.stdout, /nightly-ledger-batch .*select hr\.salaries/);
});

test('nothing that a running Postern keeps can be read by others', () => {
  const data = file('data');
  for (const name of ['.', ...readdirSync(data, { recursive: true, encoding: 'utf8' })]) {
    const mode = statSync(join(data, name), { throwIfNoEntry: false })?.mode ?? 0;
    assert.equal(mode & 0o077, 0, name);
  }
});

test('a second run ends the gateway of the first, ends with 0 when told to, and leaves no process behind', async () => {
  const [first] = started;
  const gateway = JSON.parse(readFileSync(file('data/run.json'), 'utf8')) as {
    pid: number;
    workers: number[];
  };
  const second = await play('FORCE_COLOR', '--exit');
  assert.deepEqual(await second.exited, { code: 0, signal: null }, second.stderr);
  assert.doesNotMatch(second.stdout, /Ctrl-C/);
  assert.equal((await first?.exited)?.code, 1);
  assert.match(first?.stderr ?? '', /the gateway was ended by somebody else/);
  for (const pid of [gateway.pid, ...gateway.workers]) assert.ok(!alive(pid), `process ${pid} lives on`);
  assert.ok(!existsSync(file('data/run.json')));
});

test('Ctrl-C in the middle ends everything that the demo started', async () => {
  const demo = await play('NO_COLOR');
  await demo.waitFor(/interest accounts before/, 60_000);
  const { pid, workers } = JSON.parse(readFileSync(file('data/run.json'), 'utf8')) as {
    pid: number;
    workers: number[];
  };
  demo.child.kill('SIGINT');
  assert.deepEqual(await demo.exited, { code: 130, signal: null }, demo.stderr);
  await until(() => ![pid, ...workers].some(alive), 'gateway and workers are gone');
});
