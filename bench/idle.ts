/**
 * What an idle session costs, in memory of the process that relays: many sessions are opened, each says one thing, and
 * then all are left alone. Afterwards each must still answer.
 *
 *   npm run bench -- idle [--sessions 1000] [--legs relay,postern,relay-tls,postern-tls] [--json]
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { startPostgres } from '../test/support/postgres.ts';
import { say, WireClient } from '../test/support/wire-client.ts';
import type { Leg } from './support/leg.ts';
import { LEGS } from './support/legs.ts';
import { privateKib } from './support/memory.ts';

/** Logins under way at a time. */
const AT_ONCE = 32;
/** Long enough for garbage of the logins to be collected, in milliseconds. */
const REST_MS = 12_000;

const { values: given } = parseArgs({
  options: {
    sessions: { type: 'string', default: '1000' },
    legs: { type: 'string', default: 'relay,postern,relay-tls,postern-tls' },
    json: { type: 'boolean', default: false },
  },
});
const sessions = Number(given.sessions);
if (!Number.isInteger(sessions) || sessions < 1) throw new Error('--sessions takes a number');

interface Row {
  readonly leg: string;
  readonly sessions: number;
  readonly secondsToOpen: number;
  /** Growth of the process's private memory per session, in KiB. */
  readonly kibPerSession: number;
}

const directory = mkdtempSync(join(tmpdir(), 'postern-bench-'));
const postgres = await startPostgres({
  databases: ['bench'],
  hba: ['hostnossl all all 127.0.0.1/32 scram-sha-256'],
  settings: { max_connections: String(sessions + 50), shared_buffers: '16MB' },
});
try {
  const caFile = join(directory, 'server-ca.crt');
  writeFileSync(caFile, postgres.caPem);
  const rows: Row[] = [];
  for (const name of given.legs.split(',')) {
    const startLeg = LEGS[name];
    if (startLeg === undefined) throw new Error(`there is no leg ${name}`);
    const leg = await startLeg({ postgres, database: 'bench', caFile, directory });
    try {
      process.stderr.write(`${name}: ${sessions} sessions\n`);
      rows.push(await fill(name, leg));
    } finally {
      await leg.stop();
    }
  }
  process.stdout.write(given.json ? `${JSON.stringify(rows, null, 2)}\n` : table(rows));
} finally {
  await postgres.stop();
  rmSync(directory, { recursive: true, force: true });
}

async function fill(name: string, leg: Leg): Promise<Row> {
  if (leg.middle === null) throw new Error(`leg ${name} has no process to look at`);
  const door = {
    host: leg.host,
    port: leg.port,
    ...(leg.caFile === null ? {} : { ca: readFileSync(leg.caFile, 'utf8') }),
  };
  const who = { username: leg.user, password: leg.password };
  const login = async (): Promise<WireClient> => {
    const client = await WireClient.login(door, who, leg.database);
    await client.ask([say.query('select 1')]);
    return client;
  };
  // The first ones bring in what is there once.
  const clients = [await login(), await login()];
  await sleep(2000);
  const before = privateKib(leg.middle.relayPid);
  const since = performance.now();
  const more = async (): Promise<void> => {
    while (clients.length < sessions) {
      const at = clients.push(undefined as never) - 1;
      clients[at] = await login();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, more));
  const secondsToOpen = (performance.now() - since) / 1000;
  await sleep(REST_MS);
  const kib = privateKib(leg.middle.relayPid) - before;
  for (const client of clients) {
    const answer = await client.ask([say.query('select 1')]);
    if (answer.at(-1) !== 'Z I') throw new Error(`a session answered ${answer.join(', ')}`);
  }
  for (const client of clients) client.socket.destroy();
  await sleep(1000);
  return { leg: name, sessions, secondsToOpen, kibPerSession: kib / (sessions - 2) };
}

function table(rows: readonly Row[]): string {
  const out = new Table({
    head: ['leg', 'sessions', 'opened in s', 'KiB per session'],
    colAligns: ['left', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const row of rows) {
    out.push([row.leg, row.sessions, row.secondsToOpen.toFixed(1), row.kibPerSession.toFixed(1)]);
  }
  return `${out.toString()}\nGrowth of the private memory of the process that relays, after ${REST_MS / 1000} s of rest.\n`;
}
