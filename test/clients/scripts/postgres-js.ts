/** postgres.js: one transcript of JSON lines, the same directly and through Postern. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';

const packageFile = new URL('../package.json', import.meta.resolve('postgres'));
const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
process.stderr.write(`postgres.js ${version}\n`);

function emit(step: string, value: unknown): void {
  process.stdout.write(`${JSON.stringify({ step, value })}\n`);
}

/** What the scope does not cover, and what is no SQL. */
const OURS: ReadonlySet<string | undefined> = new Set(['42501', '42601']);

async function failure(step: string, promise: PromiseLike<unknown>): Promise<void> {
  try {
    await promise;
    emit(step, 'it succeeded');
  } catch (error) {
    const { code, constraint_name, detail } = error as postgres.PostgresError;
    // What Postern refuses has details of its own.
    emit(step, OURS.has(code) ? code : [code, constraint_name, detail]);
  }
}

const notices: string[] = [];
const sql = postgres({
  ssl: { ca: readFileSync(process.env.PGSSLROOTCERT as string, 'utf8') },
  max: 1,
  onnotice: ({ message }) => notices.push(message ?? ''),
});
const [first] = await sql`select current_setting('server_version') as v`;
emit('connect', [first?.v, sql.parameters.client_encoding]);

const types = await sql`select * from conf.types order by id`;
emit(
  'types',
  types.columns.map(({ name, type }) => [name, type]),
);
for (const row of types) emit('types', row);
emit(
  'types',
  await sql`select ${null}::text, ${Buffer.from([0, 255, 92])}::bytea, ${sql.array([1, 2])}::int[]`,
);
emit(
  'parameters',
  await sql`select ${'1e-20'}::numeric, ${sql.json({ k: [null] })}::jsonb, ${new Date(0)}::timestamptz`,
);
const large = 'x\u00e9'.repeat(1_500_000);
const [echoed] = await sql`select ${large}::text as t`;
emit('large', echoed?.t === large);
for (let n = 1; n <= 5; n++) emit('prepared', await sql`select label from conf.numbers where n = ${n}`);
emit(
  'pipeline',
  await Promise.all(
    Array.from({ length: 50 }, (_, n) => sql`select square from conf.numbers where n = ${n + 1}`),
  ),
);
emit(
  'batch',
  await sql`insert into conf.scratch ${sql(Array.from({ length: 100 }, (_, n) => ({ id: 100 + n, v: `batch ${n}` })))} returning id`,
);
emit('batch', await sql.unsafe('select 1 as a; select 2 as b').simple());
let sum = 0;
await sql`select n from conf.numbers order by n`.cursor(100, (rows) => {
  for (const { n } of rows) sum += n;
});
emit('cursor', sum);
let seen = 0;
await sql`select n from conf.numbers order by n`.cursor(10, () => (++seen === 3 ? sql.CLOSE : undefined));
emit('cursor', seen);

const input = Array.from({ length: 20_000 }, (_, n) => `${1000 + n}\t${'v'.repeat(n % 200)}\n`);
await pipeline(Readable.from(input), await sql`copy conf.scratch (id, v) from stdin`.writable());
const hash = createHash('sha256');
for await (const chunk of await sql`copy (select * from conf.scratch order by id) to stdout`.readable())
  hash.update(chunk);
emit('copy out', hash.digest('hex'));

await sql.begin(async (transaction) => {
  await transaction`update conf.scratch set v = 'kept' where id = 100`;
  await failure(
    'savepoint',
    transaction.savepoint((inner) => inner`insert into conf.scratch (id) values (100)`),
  );
});
emit('savepoint', await sql`select v from conf.scratch where id = 100`);
await failure('error', sql`select * from conf.nowhere`);
await failure('error', sql`select 1 / ${0}::int`);
await failure('error', sql`selec`);
await failure('refused', sql`select n from hidden.secret`);
await failure('refused', sql`select n from hidden.secret where n = ${1}`);
await failure(
  'refused in a transaction',
  sql.begin((transaction) => transaction`select n from hidden.secret`),
);
emit('refused in a transaction', await sql`select 1 as one`);

const asleep = sql`select pg_sleep(60)`;
const expected = failure('cancel', asleep);
await sleep(1000);
asleep.cancel();
await expected;
emit('cancel', await sql`select 1 as one`);
const heard = Promise.withResolvers<string>();
await sql.listen('conformance', heard.resolve);
await sql.notify('conformance', 'payload');
emit('notify', await heard.promise);
await sql`drop table if exists conf.never`;
emit('notices', notices);
await sql.end();
emit('end', true);
