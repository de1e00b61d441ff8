import { fileURLToPath } from 'node:url';
import type { TestPostgres } from '../test/support/postgres.ts';
import { PRINCIPAL, RESOURCE } from './set-up.ts';
import { expect, good, say, step } from './stage.ts';
import type { World } from './world.ts';

const BATCH = fileURLToPath(new URL('./nightly-batch.sh', import.meta.url));

/** The job runs as `postern run` has it: a grant, a password, the job, and the end of both. */
export async function runJob(world: World, postgres: TestPostgres): Promise<void> {
  step('The nightly job runs, under a grant that lasts as long as it does');
  say(
    `"postern run" makes the grant and a password that is good for nothing else, starts the job with where to connect in
    its environment, and ends both when the job ends. The job is plain psql and node-postgres: demo/nightly-batch.sh.`,
  );
  const before = await entries(postgres);
  const { stdout, stderr } = await world.postern([
    ...['run', '--resource', RESOURCE, '--principal', PRINCIPAL, '--scope', 'insert, select on ledger.*'],
    ...['--for', '1h', '--ticket', 'CHG-1042', '--reason', 'nightly interest', '--', BATCH],
  ]);
  const posted = (await entries(postgres)) - before;
  const [, accounts, statements] = stdout.match(/paid to (\d+) accounts with (\d+) statements/) ?? [];
  expect(Number(statements) > 3000, 'the job ran fewer statements than expected', stdout);
  expect(posted === 2 * Number(accounts), `the ledger grew by ${posted} entries`, stdout);
  expect(/grant \S+ ended \(run ended: /.test(stderr), 'the grant did not end with the job', stderr);
  good(`${posted.toLocaleString('en-US')} entries in the ledger, and the grant is over`);
}

async function entries(postgres: TestPostgres): Promise<number> {
  const [row] = await postgres.query<{ n: number }>('select count(*)::int as n from ledger.entries', 'bank');
  return row?.n ?? 0;
}

/** One question, one command. */
export async function answer(world: World): Promise<void> {
  step('"What did this job do, and on whose authority?"');
  say('The question that takes weeks of log hunting before an examination is one command.');
  const { stdout } = await world.postern(['activity', '--principal', PRINCIPAL, '--summary']);
  for (const part of [
    'answered for by Grace Okafor',
    'Ada Boone, CHG-1042',
    'ledger.entries',
    'hr.salaries',
  ]) {
    expect(stdout.includes(part), `the answer does not name ${part}`, stdout);
  }
}
