/** Alerts at the command line: what happens at the gateway is found in the log, raised once, and closed by somebody. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { CommandLine } from './support/command-line.ts';
import { until } from './support/processes.ts';

interface Alert {
  readonly id: string;
  readonly rule: string;
  readonly principal: { readonly name: string };
  readonly values: readonly string[];
  readonly leaves: readonly number[];
  readonly status: string;
  readonly disposition: { readonly kind: string; readonly grants: readonly string[] } | null;
}

let shell: CommandLine;
let rita: readonly string[];
let grant = '';
let client: pg.Client;
const lost: Error[] = [];

const alerts = async (...more: string[]): Promise<readonly Alert[]> =>
  (await shell.json<{ items: Alert[] }>(['alert', 'list', '--status', 'all', ...more])).items;

async function alertOf(rule: string): Promise<Alert> {
  let found: Alert | undefined;
  await until(async () => {
    found = (await alerts('--rule', rule))[0];
    return found !== undefined;
  }, `an alert by ${rule}`);
  return found as Alert;
}

before(async () => {
  shell = await CommandLine.start();
  await shell.prepare();
  await shell.ok(['person', 'add', 'Rita', '--email', 'rita@bank.example', '--role', 'reviewer']);
  const { token } = await shell.json<{ token: string }>(['person', 'token', 'rita@bank.example']);
  rita = ['--token-file', shell.file('rita.token', token)];
  const made = await shell.json<{ id: string }>([
    ...['grant', 'add', '--principal', 'batch', '--resource', 'ledger-db', '--for', '8h'],
    ...['--scope', 'select on ledger.*', '--ticket', 'CHG-1'],
  ]);
  grant = made.id;
  const issued = await shell.json<{
    username: string;
    password: string;
    connection: { host: string; port: number };
  }>(['credential', 'issue', '--principal', 'batch']);
  const { host, port } = issued.connection;
  client = new pg.Client({
    ...{ host, port, user: issued.username, password: issued.password, database: 'ledger-db' },
    ...{ ssl: { rejectUnauthorized: false }, application_name: 'DBeaver 24.1' },
  });
  client.on('error', (error) => lost.push(error));
  await client.connect();
  for (let i = 0; i < 10; i++) {
    await assert.rejects(client.query('delete from ledger.entries'), { code: '42501' });
  }
});
after(() => shell.stop());

describe('alerts at the command line', () => {
  it('are raised for what happens at the gateway, and show the records by which they were found', async () => {
    const human = await alertOf('human_client');
    assert.deepEqual([human.principal.name, human.values], ['batch', ['DBeaver #.#']]);
    const denials = await alertOf('denials');
    assert.equal(denials.leaves.length, 10);
    const text = await shell.ok(['alert', 'show', denials.id, ...rita]);
    assert.match(text, /was refused many times: 10 in 5 minutes/);
    assert.equal(text.match(/command\.denied/g)?.length, 10);
    assert.match(await shell.ok(['principal', 'show', 'batch']), /2 unresolved: postern alert list/);
  });

  it('are raised by rules that are set at the command line, each change with a reason', async () => {
    await shell.fails(['alert', 'rules', 'set', 'cloned_key', '--state', 'off', '--reason', 'x']);
    await shell.fails(['alert', 'rules', 'set', 'denials', '--set', 'count=1', '--reason', 'x']);
  });

  it('are closed by somebody else than who could have caused them, and end the grant with it', async () => {
    const { id } = await alertOf('denials');
    const own = ['alert', 'explain', id, '--reason', 'that was me'];
    assert.match(await shell.fails(own), /could have used batch/);
    await shell.ok(['alert', 'acknowledge', id, '--reason', 'looking', ...rita]);
    await shell.ok(['alert', 'revoke', id, '--reason', 'nobody knows why', ...rita]);
    const done = await alertOf('denials');
    assert.deepEqual([done.status, done.disposition?.grants], ['closed', [grant]]);
    assert.match(await shell.ok(['grant', 'list', '--principal', 'batch', '--status', 'all']), /revoked/);
    const left = await shell.ok(['alert', 'list', ...rita]);
    assert.doesNotMatch(left, /denials/);
    assert.match(left, /human_client/);
  });
});
