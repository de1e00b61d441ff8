/** Tokens of an OIDC issuer as passwords: a real issuer over https, psql and node-postgres, and everything that does not work. */
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cstring, Front, message, startup } from '../src/protocols/postgres/wire.ts';
import { Bank } from './support/bank.ts';
import { makeServerCertificate } from './support/certificates.ts';
import { Issuer } from './support/issuer.ts';
import { run, until } from './support/processes.ts';
import { WireClient } from './support/wire-client.ts';

const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));

describe('tokens of an OIDC issuer', () => {
  let directory: string;
  let issuer: Issuer;
  let tls: Awaited<ReturnType<typeof makeServerCertificate>>;
  let bank: Bank;
  let binding: { readonly id: string };
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'postern-issuer-'));
    tls = await makeServerCertificate();
    const caFile = join(directory, 'issuer-ca.crt');
    writeFileSync(caFile, tls.caPem);
    issuer = await new Issuer(tls).listen();
    bank = await Bank.start({
      args: ['--postgres-tls', 'allow'],
      env: { ...process.env, NODE_EXTRA_CA_CERTS: caFile },
    });
    await bank.identity('batch', 'select on ledger.*');
    binding = await bind('batch', { sub: 'job-1' });
  });
  after(async () => {
    await bank?.stop();
    issuer.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const bind = (principal: string, claims: object, over: object = {}): Promise<{ id: string }> =>
    bank.postern.call('POST', `/v1/principals/${principal}/bindings`, {
      ...{ issuer: issuer.url, audience: 'postern', claims },
      ...over,
    });
  const login = (password: string, username = 'batch') =>
    bank.connect({ username, password, grant: '', credential: '' });
  const refused = async (password: string, why: RegExp, username?: string): Promise<void> => {
    await assert.rejects(login(password, username), (error: Error & { code?: string }) => {
      assert.match(error.message, why);
      assert.ok(!error.message.includes(password), 'the token is not repeated');
      return true;
    });
  };

  it('open a session with stock clients, as an issued password of the same principal still does', async () => {
    const client = await login(issuer.token());
    assert.deepEqual((await client.query('select 42 as n')).rows, [{ n: 42 }]);
    await client.end();
    const psql = await run('psql', ['-X', '-At', '-c', 'select 42'], {
      env: bank.env({ username: 'batch', password: issuer.token(), grant: '', credential: '' }),
    });
    assert.equal(psql.stdout, '42\n', psql.stderr);
    const issued = await bank.credential('batch');
    await (await login(issued.password)).end();
    await refused(`${issued.password}x`, /^postern: authentication failed for "batch"$/);
  });

  it('say in the record which one opened the session, and may open another', async () => {
    const token = issuer.token({ jti: 'run-7', client_id: 'nightly', secret: 'not to be kept' });
    for (let i = 0; i < 2; i++) await (await login(token)).end();
    const { items } = await bank.postern.call<{ items: { id: string; action: string }[] }>(
      'GET',
      '/v1/activity?principal=batch&type=session&limit=1000',
    );
    const records = await Promise.all(
      items.map(({ id }) => bank.postern.call<object>('GET', `/v1/activity/${id}`)),
    );
    const texts = records.map((record) => JSON.stringify(record)).filter((text) => text.includes('run-7'));
    assert.equal(texts.length, 2);
    const sha256 = createHash('sha256').update(token).digest('hex');
    for (const text of texts) {
      for (const said of [sha256, `"issuer":"${issuer.url}"`, '"subject":"job-1"', '"client_id":"nightly"'])
        assert.ok(text.includes(said), said);
      assert.ok(!text.includes('not to be kept') && !text.includes(token));
    }
  });

  it('are taken with a new key of the issuer at the first login, and not with one that it never had', async () => {
    issuer.rotate('second');
    const asked = issuer.asked;
    await until(
      () =>
        login(issuer.token()).then(
          (client) => client.end().then(() => true),
          () => false,
        ),
      'the new key is known',
      15_000,
    );
    assert.equal(issuer.asked, asked + 1);
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    for (let i = 0; i < 5; i++)
      await refused(issuer.token({}, stranger, `unknown-${i}`), /does not fit a key of the issuer/);
    assert.ok(issuer.asked <= asked + 2, 'five strangers are one question at most');
    const { items } = await bank.postern.call<{ items: { state: string; keys: { kid: string }[] }[] }>(
      'GET',
      '/v1/issuers',
    );
    assert.deepEqual(
      items.map(({ state, keys }) => [state, keys.map(({ kid }) => kid)]),
      [['current', ['second']]],
    );
  });

  it('open nothing that they do not say, and the reason is in the log', async () => {
    const now = Math.floor(Date.now() / 1000);
    for (const [over, why] of [
      [{ sub: 'job-2' }, /does not say what the binding asks for/],
      [{ aud: 'other' }, /for another audience/],
      [{ iss: 'https://other.example' }, /is not bound to/],
      [{ exp: now - 1 }, /has expired/],
      [{ nbf: now + 600 }, /not valid yet/],
    ] as const) {
      await refused(issuer.token(over), why);
    }
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    await refused(issuer.token({}, stranger), /does not fit a key of the issuer/);
    await until(
      async () => {
        const { items } = await bank.postern.call<{ items: { reason: string | null }[] }>(
          'GET',
          '/v1/activity?principal=batch&type=session&limit=1000',
        );
        return items.some(({ reason }) => /does not fit a key of the issuer/.test(reason ?? ''));
      },
      'the refusal is in the log',
      3000,
    );
  });

  it('open nothing for another principal, bound or not', async () => {
    await bank.identity('unbound', 'select on ledger.*');
    await refused(issuer.token(), /authentication failed for "unbound"$/, 'unbound');
    await bank.identity('second', 'select on ledger.*');
    await bind('second', { sub: 'job-2' });
    await refused(issuer.token(), /does not say what the binding asks for/, 'second');
    await (await login(issuer.token({ sub: 'job-2' }), 'second')).end();
    await assert.rejects(bind('unbound', { sub: 'job-1' }), /One token could fit this binding/);
    await assert.rejects(bind('unbound', { ref: 'main' }), /One token could fit this binding/);
  });

  it('are asked for within TLS alone, and from bound principals alone', async () => {
    const first = async (user: string, ca: string | undefined): Promise<number | undefined> => {
      const client = await WireClient.open({ ...bank.postern.postgres, ...(ca === undefined ? {} : { ca }) });
      client.send(startup([['user', user]]));
      await client.until((heard) => heard.length > 0);
      client.socket.destroy();
      return client.heard[0]?.bytes.readInt32BE(5);
    };
    assert.equal(await first('batch', bank.postern.caPem), 3, 'AuthenticationCleartextPassword');
    assert.equal(await first('batch', undefined), 10, 'AuthenticationSASL');
    assert.equal(await first('nobody', bank.postern.caPem), 10);
  });

  it('are refused when they are no text, too long or not of this message', async () => {
    const password = (...parts: Buffer[]): Buffer => message(Front.password, ...parts);
    for (const [bytes, code] of [
      [password(Buffer.from([0xff, 0xfe, 0])), '08P01'],
      [password(Buffer.from('ey')), '08P01'],
      [password(cstring('ey'), cstring('ey')), '08P01'],
      [password(), '08P01'],
      [password(cstring('e'.repeat(17_000))), '08P01'],
      [password(cstring(`ey${'a'.repeat(16_000)}.b.c`)), '28P01'],
      [password(cstring('')), '28P01'],
    ] as const) {
      const client = await WireClient.open({ ...bank.postern.postgres, ca: bank.postern.caPem });
      client.send(startup([['user', 'batch']]));
      await client.until((heard) => heard.length > 0);
      client.send(bytes);
      await client.until(() => client.closed, 3000);
      assert.equal(client.error.get('C'), code);
    }
  });

  it('are not bound to issuers that cannot be asked, lie about their name, or send too much', async () => {
    for (const [over, why] of [
      [{ issuer: issuer.url.replace('https', 'http') }, /An issuer is an https URL/],
      [{ issuer: `${issuer.url}?a=b` }, /An issuer is an https URL/],
      [{ issuer: 'https://localhost:1' }, /cannot be used/],
      [{ issuer: `${issuer.url}/none` }, /answers 404/],
      [{ claims: {} }, /A binding needs a claim/],
      [{ claims: { exp: '1' } }, /is checked anyway/],
    ] as const) {
      await assert.rejects(bind('unbound', { sub: 'x' }, over), why);
    }
    const liar = await new Issuer(tls).listen();
    for (const [says, why] of [
      [{ issuer: issuer.url }, /its discovery document is of the issuer/],
      [{ jwks_uri: 7 }, /names no keys/],
      [{ jwks_uri: liar.url.replace('https', 'http') }, /not at an https URL/],
      [{ jwks_uri: 'file:///etc/passwd' }, /not at an https URL/],
      [{ jwks_uri: `${liar.url}/huge` }, /more than 262144 bytes/],
      [{ jwks_uri: `${liar.url}/moved` }, /answers 302/],
      [{ jwks_uri: `${liar.url}/.well-known/openid-configuration` }, /has no key/],
    ] as const) {
      liar.says = says;
      await assert.rejects(bind('unbound', { sub: 'x' }, { issuer: liar.url }), why);
    }
    liar.close();
  });

  it('are verified by a worker that was started after the keys were fetched', async () => {
    const { workers } = JSON.parse(readFileSync(join(bank.postern.dataDir, 'run.json'), 'utf8')) as {
      workers: number[];
    };
    for (const pid of workers) process.kill(pid, 'SIGKILL');
    await until(
      () =>
        login(issuer.token()).then(
          (client) => client.end().then(() => true),
          () => false,
        ),
      'a new worker takes the token',
      10_000,
    );
  });

  it('are bound, listed and unbound at the command line', async () => {
    const cli = (...args: string[]) =>
      run(process.execPath, [MAIN, 'binding', ...args], {
        env: {
          ...process.env,
          POSTERN_API: `https://127.0.0.1:${bank.postern.api.port}`,
          POSTERN_CA: bank.postern.caFile,
          POSTERN_TOKEN: bank.postern.token,
        },
      });
    await bank.principal('at-shell');
    const base = ['--principal', 'at-shell', '--issuer', issuer.url, '--audience', 'postern'];
    const made = await cli('add', ...base, '--claim', 'sub=repo:a=b', '--claim', 'ref=main', '--json');
    const { id, claims } = JSON.parse(made.stdout) as { id: string; claims: object };
    assert.deepEqual(claims, { ref: 'main', sub: 'repo:a=b' });
    assert.match((await cli('list', '--principal', 'at-shell')).stdout, /ref=main sub=repo:a=b/);
    assert.match((await cli('issuers')).stdout, /current +ES256:second/);
    assert.match((await cli('lint')).stderr, /nothing to say/);
    const wide = [
      'github',
      'at-shell',
      '--repository-id',
      '74',
      '--repository-owner-id',
      '65',
      '--jwks-file',
      '-',
    ];
    assert.match((await cli('add', ...wide, '--audience', 'postern')).stderr, /cannot be read/);
    const jwks = join(directory, 'keys.json');
    writeFileSync(jwks, JSON.stringify(issuer.jwks));
    const github = await cli('add', ...wide.slice(0, -1), jwks, '--audience', 'postern', '--json');
    const ci = JSON.parse(github.stdout) as { id: string; preset: string; issuer: string };
    assert.deepEqual([ci.preset, ci.issuer], ['github', 'https://token.actions.githubusercontent.com']);
    assert.match((await cli('lint')).stdout, /at-shell .*warning .*any-branch/);
    assert.equal((await cli('remove', ci.id, '--reason', 'too wide')).code, 0);
    const gitlab = [
      'gitlab',
      'at-shell',
      '--project-id',
      'bank',
      '--namespace-id',
      '72',
      '--audience',
      'postern',
    ];
    assert.match((await cli('add', ...gitlab)).stderr, /project_id is a number/);
    assert.match((await cli('add', 'gitlab', 'at-shell')).stderr, /required option/);
    assert.match((await cli('add', 'kubernetes-review', '--help')).stdout, /--cluster <name>/);
    assert.match((await cli('add', ...base, '--claim', 'sub')).stderr, /NAME=VALUE/);
    assert.match((await cli('add', ...base, '--claim', 'a=1', '--claim', 'a=2')).stderr, /given twice/);
    assert.equal((await cli('remove', id, '--reason', 'test')).code, 0);
    assert.match((await cli('list', '--principal', 'at-shell')).stderr, /There is no binding/);
    const log = await bank.postern.call<{ items: { type: string }[] }>(
      'GET',
      '/v1/activity?principal=at-shell&type=change&limit=100',
    );
    const types = log.items.map(({ type }) => type);
    assert.ok(types.includes('binding.created') && types.includes('binding.removed'), types.join());
  });

  it('end the sessions they opened when the binding is removed, and open none after that', async () => {
    const client = await login(issuer.token());
    await client.query('select 1');
    await bank.postern.call('POST', `/v1/bindings/${binding.id}/remove`, { reason: 'moved away' });
    await until(() => Promise.resolve(client.lost.length > 0), 'the session ends', 2000);
    assert.match(client.lost[0]?.message ?? '', /its credential was revoked/);
    await refused(issuer.token(), /authentication failed for "batch"/);
    const { items } = await bank.postern.call<{ items: unknown[] }>('GET', '/v1/principals/batch/bindings');
    assert.deepEqual(items, []);
  });
});
