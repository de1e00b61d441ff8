/**
 * How fast large results get through, in megabytes a second: SELECT and COPY, through the bare relay (`bench/relay.ts`) and through Postern
 * without masks, with one column masked, and with every text searched by detectors. All without TLS, since the relay has none.
 *
 *   npm run bench -- results [--rounds 5] [--rows 300000] [--json]
 *
 * Bytes are those that the server sends for the same statement, so a masked result counts as much as one that is not.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { startPostern, type TestPostern } from '../test/support/postern.ts';
import { startPostgres } from '../test/support/postgres.ts';
import { type Door, say, WireClient } from '../test/support/wire-client.ts';
import { LEGS } from './support/legs.ts';
import { median, medianRatio } from './support/statistics.ts';

const { values: given } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    rows: { type: 'string', default: '300000' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(given.rounds);

/** ReadyForQuery, idle. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

const STATEMENTS: Readonly<Record<string, string>> = {
  select: 'select * from public.pgbench_people',
  'copy text': 'copy public.pgbench_people to stdout',
  'copy csv': 'copy public.pgbench_people to stdout csv',
  'copy binary': 'copy public.pgbench_people to stdout binary',
};

/** Who asks through Postern, and under which mask. */
const PRINCIPALS: Readonly<Record<string, object | null>> = {
  postern: null,
  redacted: { columns: ['public.pgbench_people.email'], transform: { kind: 'redact' } },
  hashed: { columns: ['public.pgbench_people.email'], transform: { kind: 'hash' } },
  searched: { detectors: ['email', 'card', 'iban'], transform: { kind: 'redact' } },
};

interface Party {
  readonly door: Door;
  readonly username: string;
  readonly password: string;
  readonly database: string;
}

interface Row {
  readonly statement: string;
  readonly leg: string;
  readonly megabytesPerSecond: number;
  readonly toRelay: number;
}

const directory = mkdtempSync(join(tmpdir(), 'postern-bench-'));
const postgres = await startPostgres({
  databases: ['bench'],
  hba: ['hostnossl all all 127.0.0.1/32 scram-sha-256'],
});
let postern: TestPostern | undefined;
let stopRelay = async (): Promise<void> => undefined;
try {
  await postgres.query(
    `create table public.pgbench_people (id int, name text, email text, note text, amount numeric(12,2), at timestamptz);
     insert into public.pgbench_people select i, 'Person number ' || i, 'person.' || i || '@example.org',
       repeat('words of a note, ', 3) || i, i * 1.5, '2026-01-01'::timestamptz + i * interval '1 minute'
       from generate_series(1, ${Number(given.rows)}) i`,
    'bench',
  );
  const caFile = join(directory, 'server-ca.crt');
  writeFileSync(caFile, postgres.caPem);
  const relay = await (LEGS.relay as (typeof LEGS)[string])({
    postgres,
    database: 'bench',
    caFile,
    directory,
  });
  stopRelay = relay.stop;
  postern = await startPostern({ args: ['--workers', '1', '--postgres-tls', 'allow'] });
  const parties = new Map<string, Party>([
    [
      'relay',
      {
        door: { host: relay.host, port: relay.port },
        username: relay.user,
        password: relay.password,
        database: relay.database,
      },
    ],
  ]);
  await postern.call('POST', '/v1/resources', {
    ...{ name: 'bench-db', protocol: 'postgres', environment: 'test', classification: 'internal' },
    ...{ host: postgres.host, port: postgres.port, database: 'bench', tls: { mode: 'disable' } },
    upstream: postgres.superuser,
  });
  for (const [name, mask] of Object.entries(PRINCIPALS)) parties.set(name, await enrol(postern, name, mask));
  const rows: Row[] = [];
  for (const [statement, sql] of Object.entries(STATEMENTS))
    rows.push(...(await compare(statement, sql, parties)));
  process.stdout.write(given.json ? `${JSON.stringify({ rounds, rows }, null, 2)}\n` : table(rows));
} finally {
  await postern?.stop();
  await stopRelay();
  await postgres.stop();
  rmSync(directory, { recursive: true, force: true });
}

async function enrol(to: TestPostern, name: string, mask: object | null): Promise<Party> {
  await to.call('POST', '/v1/principals', {
    ...{
      name,
      kind: 'workload',
      owner: 'admin@example.com',
      backupOwner: 'backup@example.com',
      purpose: 'benchmark',
      environment: 'test',
    },
  });
  const grant = await to.call<{ id: string }>('POST', '/v1/grants', {
    ...{ principal: name, resource: 'bench-db', scope: 'select, copy on public.*', ttlSeconds: 7200 },
    ...{ ticket: 'BENCH-1', justification: 'benchmark' },
  });
  if (mask !== null) await to.call('POST', '/v1/masks', { name: `mask-${name}`, principal: name, ...mask });
  const issued = await to.call<{ username: string; password: string }>('POST', '/v1/credentials', {
    ...{ principal: name, grant: grant.id, ttlSeconds: 7200 },
  });
  return { door: to.postgres, ...issued, database: 'bench-db' };
}

async function compare(statement: string, sql: string, parties: ReadonlyMap<string, Party>): Promise<Row[]> {
  const seconds = new Map<string, number[]>([...parties.keys()].map((name) => [name, []]));
  let bytes = 0;
  for (let round = 0; round <= rounds; round++) {
    process.stderr.write(`${statement}, ${round === 0 ? 'warm-up' : `round ${round} of ${rounds}`}\n`);
    for (const [name, party] of parties) {
      const taken = await run(party, sql);
      if (name === 'relay') bytes = taken.bytes;
      // Not counted: caches fill and code is compiled.
      if (round > 0) seconds.get(name)?.push(taken.seconds);
    }
  }
  const relay = seconds.get('relay') ?? [];
  return [...seconds].map(([leg, taken]) => ({
    statement,
    leg,
    megabytesPerSecond: bytes / 1e6 / median(taken),
    toRelay: medianRatio(relay, taken),
  }));
}

/** Runs one statement and reads its result without looking at it. */
async function run(party: Party, sql: string): Promise<{ readonly bytes: number; readonly seconds: number }> {
  const client = await WireClient.login(party.door, party, party.database);
  const { socket } = client;
  socket.removeAllListeners('data');
  const since = performance.now();
  let bytes = 0;
  await new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => {
      // Later a chunk may begin within a message.
      if (bytes === 0 && chunk[0] === 0x45) reject(new Error(chunk.toString('latin1')));
      bytes += chunk.length;
      if (chunk.subarray(-READY.length).equals(READY)) resolve();
    });
    socket.once('close', () => reject(new Error('the connection was closed')));
    socket.write(say.query(sql));
  });
  const seconds = (performance.now() - since) / 1000;
  socket.destroy();
  return { bytes, seconds };
}

function table(rows: readonly Row[]): string {
  const out = new Table({
    head: ['statement', 'leg', 'MB/s', '÷ relay'],
    colAligns: ['left', 'left', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const { statement, leg, megabytesPerSecond, toRelay } of rows) {
    out.push([statement, leg, megabytesPerSecond.toFixed(0), toRelay.toFixed(2)]);
  }
  return `${out.toString()}\nMedians of ${rounds} interleaved rounds.\n`;
}
