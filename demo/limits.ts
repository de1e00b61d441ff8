import { readFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import pg from 'pg';
import type { TestPostgres } from '../test/support/postgres.ts';
import { until } from '../test/support/processes.ts';
import { PRINCIPAL, RESOURCE } from './set-up.ts';
import { expect, good, output, say, step } from './stage.ts';
import type { World } from './world.ts';

/** What lives on under a grant that is about to end. */
export interface Live {
  readonly grant: string;
  readonly env: NodeJS.ProcessEnv;
  readonly client: pg.Client;
  /** Why the server ended the client's connection. */
  readonly lost: Promise<Error>;
}

const IN_TRANSACTION = `begin;
select count(*) from ledger.entries;
drop table ledger.entries;
select 'the transaction is aborted, as with any error';
rollback;
select count(*) as "still there, still connected" from ledger.entries;
`;

/** Statements outside the grant, in and out of a transaction, with psql and node-postgres. */
export async function refusals(world: World, postgres: TestPostgres): Promise<Live> {
  step('What the grant does not say does not happen');
  say(
    `The database would let this role read salaries and empty tables. A second grant for the same job, for ten minutes this
    time, and of the customers for three columns only; card numbers are shown to nobody whole. Its password goes into the
    shell's environment, and an unmodified psql tries its luck.`,
  );
  await world.postern(
    [
      ...['mask', 'add', '--resource', RESOURCE, '--column', 'ledger.customers.card_number'],
      ...['--transform', 'partial', '--keep', '4'],
    ],
    { shown: (text) => linesOf(text, /^(where|columns|transform) /) },
  );
  const scope =
    'select on ledger.entries, ledger.accounts; select (id, name, card_number) on ledger.customers';
  const grant = await makeGrant(world, 'CHG-1043', '10m', 'a look at a failed posting', scope);
  const env = await login(world, grant);

  await columns(world, env);
  const salaries = await world.type(
    'psql',
    ['-X', '-v', 'VERBOSITY=verbose', '-c', 'select * from hr.salaries'],
    {
      env,
      code: 1,
    },
  );
  expect(salaries.stdout === '', 'rows of hr.salaries came through', salaries.stdout);
  const record = refused(salaries.stderr);
  good('refused with a native error, a hint and the id of its record; nothing reached the table');

  const { stdout } = await world.type('psql', ['-X', '-e', '-f', '-'], {
    env,
    input: IN_TRANSACTION,
    merged: true,
  });
  refused(stdout);
  expect(/current transaction is aborted/.test(stdout), 'the transaction went on', stdout);
  expect(
    /still there, still connected[\s\S]*still there, still connected[\s\S]*\(1 row\)/.test(stdout),
    'the connection was lost',
    stdout,
  );
  const [table] = await postgres.query<{ there: boolean }>(
    `select to_regclass('ledger.entries') is not null as there`,
    'bank',
  );
  expect(table?.there === true, 'the table ledger.entries is gone');
  good(
    'refused inside a transaction, which ended as after any error; the table is there, the connection too',
  );

  const { client, lost } = await connect(env);
  const error = await client
    .query('select * from hr.salaries where employee_id = $1', [1])
    .catch((e: unknown) => e);
  expect(error instanceof pg.DatabaseError && error.code === '42501', 'node-postgres read a salary');
  const { rows } = await client.query('select count(*)::int as n from ledger.accounts where id < $1', [100]);
  expect(rows[0]?.n === 99, 'the connection is not usable after a refusal');
  good('the same with node-postgres, parameters and all, and its next query was answered');

  say('A developer who is told "refused" asks with the id:');
  const shown = await world.postern(['activity', 'show', record], { shown: withoutLeaf });
  expect(
    shown.stdout.includes('select * from hr.salaries'),
    'the record does not hold the statement',
    shown.stdout,
  );
  return { grant, env, client, lost };
}

/** A masked column and one that the grant does not give. */
async function columns(world: World, env: NodeJS.ProcessEnv): Promise<void> {
  const cards = 'select id, name, card_number from ledger.customers order by id limit 2';
  const shown = await world.type(
    'psql',
    ['-X', '-c', cards, '-c', 'select name, tax_id from ledger.customers'],
    {
      env,
      code: 1,
      merged: true,
    },
  );
  expect(/\*+\d{4} *\n/.test(shown.stdout), 'no card number is masked', shown.stdout);
  expect(!/\d{5}/.test(shown.stdout.split('ERROR')[0] ?? ''), 'a card number is to be seen', shown.stdout);
  expect(/column tax_id of ledger\.customers/.test(refusedText(shown.stdout)), 'tax ids came through');
  good('the card numbers end in their last digits only, and the column outside the grant stays outside');
}

const linesOf = (text: string, wanted: RegExp): string =>
  `${text
    .split('\n')
    .filter((line) => wanted.test(stripVTControlCharacters(line)))
    .join('\n')}\n`;

/** The leaf itself is long, and what a refusal does not have need not be seen. */
function withoutLeaf(text: string): string {
  const lines = text.split('\n').filter((line) => !/ -$/.test(stripVTControlCharacters(line)));
  const leaf = lines.findIndex((line) => stripVTControlCharacters(line) === 'Leaf');
  return [...lines.slice(0, leaf), '... and the leaf, as the log has it'].join('\n');
}

/** Makes a grant for the job. Returns its id. */
export async function makeGrant(
  world: World,
  ticket: string,
  time: string,
  reason: string,
  scope = 'insert, select on ledger.*',
): Promise<string> {
  const { stdout } = await world.postern([
    ...['grant', 'add', '--principal', PRINCIPAL, '--resource', RESOURCE, '--scope', scope],
    ...['--for', time, '--ticket', ticket, '--reason', reason],
  ]);
  const id = stdout.match(/^grant\s+(\S+)/m)?.[1];
  expect(id !== undefined, 'the grant has no id', stdout);
  return id;
}

/** The environment of a shell that did `eval "$(postern credential issue ...)"`. */
async function login(world: World, grant: string): Promise<NodeJS.ProcessEnv> {
  const issued = await world.postern(['credential', 'issue', '--principal', PRINCIPAL, '--grant', grant], {
    shown: () => 'export PGHOST=... PGPORT=... PGUSER=... PGPASSWORD=(not shown here) ...',
  });
  return { ...world.environment(), PGGSSENCMODE: 'disable', ...exportsOf(issued.stdout) };
}

/** Reads what `postern credential issue` prints for a shell: none of its values needs quoting. */
export function exportsOf(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/^export (\w+)='?(.*?)'?$/gm)].map(([, name, value]) => [name, value]),
  );
}

/** Checks that psql was refused in the form that is promised. Returns the record's id. */
function refused(said: string): string {
  expect(/ERROR: {2}(42501: )?postern: /.test(said), 'no native error', said);
  expect(/HINT: {2}/.test(said), 'no hint', said);
  const record = said.match(/record ([0-9a-f-]{36})/)?.[1];
  expect(record !== undefined, 'no record id', said);
  return record;
}

/** The message of a refusal that is in the form that is promised. */
function refusedText(said: string): string {
  refused(said);
  return said.match(/postern: .*/)?.[0] ?? '';
}

async function connect(env: NodeJS.ProcessEnv): Promise<Pick<Live, 'client' | 'lost'>> {
  const client = new pg.Client({
    host: env.PGHOST,
    port: Number(env.PGPORT),
    user: env.PGUSER,
    password: env.PGPASSWORD,
    database: env.PGDATABASE,
    ssl: { ca: readFileSync(env.PGSSLROOTCERT ?? '', 'utf8') },
  });
  const lost = new Promise<Error>((resolve) => client.once('error', resolve));
  await client.connect();
  // A server that ends a connection ends the socket after its last words, which is an event of its own.
  client.on('error', () => undefined);
  return { client, lost };
}

/** The grant ends under two live sessions. */
export async function endOfGrant(world: World, { grant, env, client, lost }: Live): Promise<void> {
  step('When the grant ends, its sessions end');
  say('Two sessions are open under it: a psql at its prompt, and node-postgres from before.');
  const psql = await world.start('psql', ['-X'], { env, keepStdin: true });
  psql.child.stdin?.write('select 1 as ready;\n');
  await psql.waitFor(/ready/);
  await world.postern(['session', 'list']);
  const asked = performance.now();
  await world.postern(['grant', 'revoke', grant, '--reason', 'posting repaired']);
  const why = await withTimeout(lost, 5000);
  const seconds = ((performance.now() - asked) / 1000).toFixed(1);
  output(`\nnode-postgres, ${seconds} s after the command line above was started:\n  ${why.message}`);
  expect(
    /session closed: the grant on ledger-db was revoked/.test(why.message),
    'no clear message',
    why.message,
  );
  await client.end();

  psql.child.stdin?.end('select count(*) from ledger.entries;\n');
  await until(() => psql.ended, 'psql ends', 10_000);
  output(`\npsql, at its next statement:\n${psql.stderr.trim().replace(/^/gm, '  ')}`);
  expect(/FATAL: .*was revoked/.test(psql.stderr), 'psql was not told', psql.stderr);
  good('both sessions were closed with the reason');

  const late = await world.type('psql', ['-X', '-c', 'select 1'], { env, code: 2 });
  expect(/FATAL: .*postern: /.test(late.stderr), 'no clear refusal of a new session', late.stderr);
  good('and a new one is refused');
}

async function withTimeout<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing happened within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
