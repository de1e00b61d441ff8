/** node-postgres: one transcript of JSON lines, the same directly and through Postern. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

const { version } = createRequire(import.meta.url)('pg/package.json') as { version: string };
process.stderr.write(`node-postgres ${version}\n`);

function emit(step: string, value: unknown): void {
  process.stdout.write(`${JSON.stringify({ step, value })}\n`);
}

/** What the scope does not cover, and what is no SQL. */
const OURS: ReadonlySet<string | undefined> = new Set(['42501', '42601']);

async function failure(step: string, promise: Promise<unknown>): Promise<void> {
  try {
    await promise;
    emit(step, 'it succeeded');
  } catch (error) {
    const { code, constraint, detail, table } = error as pg.DatabaseError;
    // What Postern refuses has details of its own.
    emit(step, OURS.has(code) ? code : [code, constraint, detail, table]);
  }
}

const config = { ssl: { ca: readFileSync(process.env.PGSSLROOTCERT as string, 'utf8') } };
const client = new pg.Client(config);
await client.connect();
emit('connect', client.database !== undefined);

const types = await client.query('select * from conf.types order by id');
emit(
  'types',
  types.fields.map(({ name, dataTypeID, dataTypeSize, format }) => [name, dataTypeID, dataTypeSize, format]),
);
for (const row of types.rows) emit('types', row);
const inBinary = { text: 'select id, big, bytes, words from conf.types order by id', binary: true };
emit('types', (await client.query(inBinary as pg.QueryConfig)).rows);

const values = [null, Buffer.from([0, 255, 92]), [1, null, 3], '1e-20', { k: [null] }, new Date(0), ''];
const parameters = await client.query(
  'select $1::text, $2::bytea, $3::int[], $4::numeric, $5::jsonb, $6::timestamptz, $7::text',
  values,
);
emit('parameters', parameters.rows);

const large = 'x\u00e9'.repeat(1_500_000);
const [echoed] = (await client.query('select $1::text as t, length($1::text) as n', [large])).rows;
emit('large', [echoed.t === large, echoed.n]);

for (let n = 1; n <= 5; n++) {
  const prepared = await client.query({
    name: 'by-number',
    text: 'select label from conf.numbers where n = $1',
    values: [n],
  });
  emit('prepared', prepared.rows);
}
await failure('prepared', client.query({ name: 'broken', text: 'select 1 / $1::int', values: [0] }));
emit('prepared', (await client.query({ name: 'broken', text: 'select 1 / $1::int', values: [1] })).rows);

const together = (await client.query(
  'select 1 as a; select 2 as b, 3 as c; select n from conf.evens where n < 5 order by n',
)) as unknown as pg.QueryResult[];
emit(
  'batch',
  together.map(({ rows }) => rows),
);
const queued = await Promise.all(
  Array.from({ length: 40 }, (_, n) => client.query('select square from conf.numbers where n = $1', [n + 1])),
);
emit(
  'batch',
  queued.map(({ rows }) => rows[0]),
);

await client.query('begin');
await client.query('declare walk cursor for select n from conf.numbers order by n');
let sum = 0;
for (;;) {
  const { rows } = await client.query('fetch 500 from walk');
  if (rows.length === 0) break;
  for (const { n } of rows) sum += n;
}
emit('cursor', sum);
const portal = await client.query({
  text: 'select n from conf.numbers order by n',
  rows: 100,
} as pg.QueryConfig);
emit('cursor', portal.rows.length);
await client.query('commit');

await client.query('begin');
await client.query("insert into conf.scratch (id, v) values (100, 'kept')");
await client.query('savepoint inner_one');
await failure('savepoint', client.query('insert into conf.scratch (id) values (100)'));
await failure('savepoint', client.query('select 1'));
await client.query('rollback to inner_one');
await client.query('commit');
emit('savepoint', (await client.query('select id, v from conf.scratch order by id')).rows);

await failure('error', client.query('select * from conf.nowhere'));
await failure('error', client.query('select 1 / $1::int', [0]));
await failure('error', client.query('selec'));
await failure('error', client.query("select 1; select 'x'::int; select 3"));
await failure('refused', client.query('select n from hidden.secret'));
await failure('refused', client.query('select n from hidden.secret where n = $1', [1]));
await client.query('begin');
await failure('refused in a transaction', client.query('select n from hidden.secret where n = $1', [1]));
await failure('refused in a transaction', client.query('select 1'));
await client.query('rollback');

const asleep = new pg.Query('select pg_sleep(60)');
const cancelled = new Promise((resolve, reject) => {
  asleep.on('error', reject);
  asleep.on('end', resolve);
});
const expected = failure('cancel', cancelled);
client.query(asleep);
await sleep(1000);
const canceller = new pg.Client(config) as pg.Client & {
  cancel(client: pg.Client, query: pg.Query): void;
};
canceller.cancel(client, asleep);
await expected;
emit('cancel', (await client.query('select 1 as one')).rows);

const heard = new Promise<pg.Notification>((resolve) => client.once('notification', resolve));
await client.query('listen conformance');
await client.query("notify conformance, 'payload'");
const { channel, payload } = await heard;
emit('notify', [channel, payload]);
await client.end();
emit('end', true);
