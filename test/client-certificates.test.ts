/** Client certificates from the command line to the database: issued, used, revoked, and everything that does not work. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { newClientKey } from '../src/cli/support/client-key.ts';
import { startup } from '../src/protocols/postgres/wire.ts';
import { makeServerCertificate } from './support/certificates.ts';
import { CommandLine } from './support/command-line.ts';
import { run, until } from './support/processes.ts';
import { WireClient } from './support/wire-client.ts';

interface Answer {
  readonly credential: { readonly id: string; readonly kind: string; readonly certificateSha256: string };
  readonly certificate: string;
  readonly keyFile: string;
  readonly certFile: string;
}

describe('client certificates', () => {
  let line: CommandLine;
  before(async () => {
    line = await CommandLine.start();
    await line.prepare();
    await line.ok([
      ...['grant', 'add', '--principal', 'batch', '--resource', 'ledger-db', '--scope', 'select on ledger.*'],
      ...['--for', '1h', '--ticket', 'CHG-1'],
    ]);
  });
  after(() => line?.stop());

  const issue = (name: string, ...more: string[]): Promise<Answer> =>
    line.json<Answer>([
      ...['credential', 'issue', '--principal', 'batch', '--kind', 'certificate'],
      ...['--out', join(line.home, name), ...more],
    ]);

  /** What the door says to a client with that certificate: its answer's types, or its error. */
  const knock = async (certPem: string, keyPem: string, user = 'batch'): Promise<string> => {
    const { host, port } = line.postern.postgres;
    const client = await WireClient.open({
      ...{ host, port, ca: line.postern.caPem },
      tls: { cert: certPem, key: keyPem },
    });
    client.send(
      startup([
        ['user', user],
        ['database', 'ledger-db'],
      ]),
    );
    await client.until((heard) => /[ZE]/.test(heard.at(-1)?.type ?? ''));
    const said = client.error.size === 0 ? 'let in' : `${client.error.get('C')} ${client.error.get('M')}`;
    client.socket.destroy();
    return said;
  };
  const knockWith = ({ certFile, keyFile }: Answer, user?: string): Promise<string> =>
    knock(readFileSync(certFile, 'utf8'), readFileSync(keyFile, 'utf8'), user);

  it('are made with a key that stays here, and psql and node-postgres work with them without a password', async () => {
    const printed = await line.ok([
      ...['credential', 'issue', '--principal', 'batch', '--kind', 'certificate'],
      ...['--resource', 'ledger-db', '--out', join(line.home, 'id')],
    ]);
    assert.equal(statSync(join(line.home, 'id', 'client.key')).mode & 0o777, 0o600);
    assert.doesNotMatch(printed, /PRIVATE KEY|PGPASSWORD/);
    const script = `${printed}\nexec psql -X -At -c "select current_user is not null, count(*) > 0 from ledger.entries"`;
    const psql = await run('sh', ['-c', script], { env: { PATH: process.env.PATH ?? '', HOME: line.home } });
    assert.equal(psql.stdout, 't|t\n', psql.stderr);
    const { host, port } = line.postern.postgres;
    const client = new pg.Client({
      ...{ host, port, user: 'batch', database: 'ledger-db' },
      ssl: {
        ca: line.postern.caPem,
        cert: line.read('id/client.crt'),
        key: line.read('id/client.key'),
      },
    });
    await client.connect();
    assert.deepEqual((await client.query('select 42 as n')).rows, [{ n: 42 }]);
    await client.end();
    const { items } = await line.json<{ items: { kind: string }[] }>(['credential', 'list']);
    assert.ok(items.some(({ kind }) => kind === 'certificate'));
  });

  it('are issued for the key of a request that was made elsewhere', async () => {
    const { keyPem, csrPem } = await newClientKey();
    const csr = line.file('own.csr', csrPem);
    const pem = await line.ok([
      ...['credential', 'issue', '--principal', 'batch', '--kind', 'certificate', '--csr', csr],
    ]);
    assert.match(pem, /^-----BEGIN CERTIFICATE-----/);
    assert.equal(await knock(pem, keyPem), 'let in');
  });

  it('are refused to whoever asks wrongly, before anything is issued', async () => {
    const base = ['credential', 'issue', '--principal', 'batch'];
    for (const [args, pattern] of [
      [['--kind', 'certificate'], /a certificate needs a key/],
      [['--kind', 'certificate', '--csr', 'a', '--out', 'b'], /a certificate needs a key/],
      [['--out', 'b'], /are for --kind certificate/],
      [
        ['--kind', 'certificate', '--out', join(line.home, 'no'), '--format', 'pgpass'],
        /holds no certificates/,
      ],
      [['--kind', 'certificate', '--csr', join(line.home, 'nothing')], /cannot read the certificate request/],
      [
        ['--kind', 'certificate', '--csr', line.file('bad.csr', 'nonsense')],
        /The certificate request is not one CERTIFICATE REQUEST/,
      ],
    ] as const) {
      const done = await line.call([...base, ...args]);
      assert.notEqual(done.code, 0);
      assert.match(done.stderr, pattern);
    }
    assert.ok(!existsSync(join(line.home, 'no')));
  });

  it('end the sessions they opened when they are revoked, and open none after that', async () => {
    const issued = await issue('revoked');
    const { host, port } = line.postern.postgres;
    const client = new pg.Client({
      ...{ host, port, user: 'batch', database: 'ledger-db' },
      ssl: {
        ca: line.postern.caPem,
        cert: readFileSync(issued.certFile, 'utf8'),
        key: readFileSync(issued.keyFile, 'utf8'),
      },
    });
    const lost: string[] = [];
    client.on('error', (error) => lost.push(error.message));
    await client.connect();
    await client.query('select 1');
    await line.ok(['credential', 'revoke', issued.credential.id, '--reason', 'key leaked']);
    await until(() => Promise.resolve(lost.length > 0), 'the session ends', 2000);
    assert.match(lost[0] ?? '', /its credential was revoked/);
    assert.match(await knockWith(issued), /^28000 postern: credential .* was revoked/);
  });

  it('open nothing after their time', async () => {
    const issued = await issue('brief', '--for', '2s');
    assert.equal(await knockWith(issued), 'let in');
    await sleep(2100);
    assert.match(await knockWith(issued), /^28000 postern: .*expired at/);
  });

  it('open nothing for another principal, and the refusal is in the log of the one who was claimed', async () => {
    await line.ok([
      ...['principal', 'add', 'victim', '--kind', 'service_account', '--owner', 'ada@bank.example'],
      ...['--backup-owner', 'bea@bank.example', '--purpose', 'Is claimed to be', '--environment', 'test'],
    ]);
    const issued = await issue('own');
    assert.match(
      await knockWith(issued, 'victim'),
      /^28P01 postern: authentication failed for "victim": the client certificate is of another principal/,
    );
    assert.match(await knockWith(issued, 'nobody'), /of another principal/);
    await until(
      async () =>
        (await line.ok(['activity', '--principal', 'victim', '--type', 'session', '--json'])).includes(
          'session.refused',
        ),
      'the refusal is in the log',
      3000,
    );
  });

  it('of other authorities, and those of servers, open nothing, with a password or without', async () => {
    const foreign = await makeServerCertificate();
    assert.match(
      await knock(foreign.certPem, foreign.keyPem),
      /^28P01 postern: authentication failed for "batch": the client certificate proves nothing: it was not issued by an authority that is trusted here/,
    );
    const own = (name: string): string => readFileSync(join(line.postern.dataDir, 'ca', name), 'utf8');
    assert.match(await knock(own('server.crt'), own('server.key')), /the certificate is not one of a client/);
    assert.match(await knock(own('ca.crt'), own('ca.key')), /not one of a client|not issued by an authority/);
  });
});
