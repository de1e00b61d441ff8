import assert from 'node:assert/strict';
import { createVerify, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer as createPlainServer, type IncomingMessage } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { PosternError } from '../src/core/errors.ts';
import { AwsSecretsManager } from '../src/vault/sources/aws.ts';
import { parseReference } from '../src/vault/sources/reference.ts';
import { signedHeaders } from '../src/vault/sources/sigv4.ts';
import { SecretSources, type SourceConfig } from '../src/vault/sources/sources.ts';
import { makeServerCertificate } from './support/certificates.ts';

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}
type Answer = { readonly status?: number; readonly body: unknown; readonly headers?: Record<string, string> };

/** A server that answers as the test says and remembers what it was asked. */
let server: Server;
let url: string;
let dir: string;
let caFile: string;
let answer: (asked: Asked) => Answer | 'silence';
const asked: Asked[] = [];

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'postern-sources-'));
  const { caPem, certPem, keyPem } = await makeServerCertificate();
  caFile = join(dir, 'ca.pem');
  writeFileSync(caFile, caPem);
  server = createServer({ cert: certPem, key: keyPem }, async (request, response) => {
    let body = '';
    for await (const piece of request) body += String(piece);
    const one = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body };
    asked.push(one);
    const now = answer(one);
    if (now === 'silence') return;
    const text = typeof now.body === 'string' ? now.body : JSON.stringify(now.body);
    response.writeHead(now.status ?? 200, { 'content-type': 'application/json', ...now.headers }).end(text);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `https://localhost:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true, force: true });
});
beforeEach(() => {
  asked.length = 0;
  answer = () => ({ status: 404, body: {} });
});

const file = (name: string, text: string, mode = 0o600): string => {
  const path = join(dir, name);
  writeFileSync(path, text, { mode });
  chmodSync(path, mode);
  return path;
};
const read = (sources: SecretSources, text: string, ms = 5000) => {
  const { source, reference } = sources.find(text);
  return source.read(reference, AbortSignal.timeout(ms));
};
const one = (config: SourceConfig): SecretSources => new SecretSources({ main: config });
const vault = (auth: unknown, more: object = {}): SecretSources =>
  one({ kind: 'vault', url, ca: caFile, auth, ...more } as SourceConfig);

describe('HashiCorp Vault, KV version 2', () => {
  const SECRET = {
    data: { data: { password: 's3cret-Vq1' }, metadata: { version: 7, deletion_time: '', destroyed: false } },
  };

  it('is asked with a token from a file, in a namespace, for one field', async () => {
    answer = () => ({ body: SECRET });
    const sources = vault({ tokenFile: file('token', 'hvs.one\n') }, { namespace: 'team' });
    const got = await read(sources, 'vault+kv://main/secret/bank/ledger-db#password');
    assert.deepEqual(got, { value: 's3cret-Vq1', version: '7' });
    assert.deepEqual([asked[0]?.method, asked[0]?.path], ['GET', '/v1/secret/data/bank/ledger-db']);
    assert.equal(asked[0]?.headers['x-vault-token'], 'hvs.one');
    assert.equal(asked[0]?.headers['x-vault-namespace'], 'team');
    await assert.rejects(read(sources, 'vault+kv://main/secret/bank/ledger-db#constructor'), /no text/);
  });

  it('AppRole and Kubernetes logins are used until their time is nearly over, and again after a 403', async () => {
    for (const [auth, path, body] of [
      [
        { approle: { roleIdFile: file('role', 'r-1'), secretIdFile: file('sid', 's-1') } },
        '/v1/auth/approle/login',
        { role_id: 'r-1', secret_id: 's-1' },
      ],
      [
        { kubernetes: { mount: 'k8s/prod', role: 'postern', tokenFile: file('jwt', 'eyJ.x.y') } },
        '/v1/auth/k8s/prod/login',
        { role: 'postern', jwt: 'eyJ.x.y' },
      ],
    ] as const) {
      asked.length = 0;
      let logins = 0;
      let revoked = false;
      answer = (request) => {
        if (request.path.endsWith('/login')) {
          logins += 1;
          revoked = false;
          return { body: { auth: { client_token: `t-${logins}`, lease_duration: 3600 } } };
        }
        return revoked ? { status: 403, body: { errors: ['permission denied'] } } : { body: SECRET };
      };
      const sources = vault(auth);
      const ask = () => read(sources, 'vault+kv://main/secret/a#password');
      await ask();
      await ask();
      assert.equal(logins, 1);
      assert.equal(asked[0]?.path, path);
      assert.deepEqual(JSON.parse(asked[0]?.body ?? ''), body);
      revoked = true;
      assert.equal((await ask()).value, 's3cret-Vq1');
      assert.equal(logins, 2);
      answer = () => ({ status: 403, body: {} });
      await assert.rejects(ask(), /HTTP status 403/);
    }
  });
});

describe('AWS Secrets Manager', () => {
  it('signs as AWS publishes it', () => {
    // The case get-vanilla of the test suite of Signature Version 4.
    const headers = signedHeaders(
      {
        ...{ method: 'GET', host: 'example.amazonaws.com', path: '/', headers: {}, body: '' },
        ...{ region: 'us-east-1', service: 'service' },
      },
      {
        accessKeyId: 'AKIDEXAMPLE',
        secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
        sessionToken: null,
      },
      new Date('2015-08-30T12:36:00Z'),
    );
    assert.equal(
      headers.authorization,
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    );
  });

  it('is asked for a secret, whole, by field or binary, with credentials of a profile', async () => {
    const profiles = file(
      'credentials',
      '[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = other\n\n[bank]\naws_access_key_id = AKIABANK\naws_secret_access_key = k3y\naws_session_token = t0ken\n',
    );
    const sources = one({
      ...{ kind: 'aws', region: 'eu-central-1', endpoint: url, ca: caFile },
      credentials: { file: profiles, profile: 'bank' },
    });
    answer = () => ({
      body: { Name: 'prod/db', VersionId: 'v-1', SecretString: '{"username":"u","password":"pw-1"}' },
    });
    const got = await read(sources, 'aws-sm://main/prod/db#password');
    assert.deepEqual(got, { value: 'pw-1', version: 'v-1' });
    const { headers, body } = asked[0] as Asked;
    assert.equal(headers['x-amz-target'], 'secretsmanager.GetSecretValue');
    assert.equal(headers['x-amz-security-token'], 't0ken');
    assert.match(
      String(headers.authorization),
      /^AWS4-HMAC-SHA256 Credential=AKIABANK\/\d{8}\/eu-central-1\/secretsmanager\/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=[0-9a-f]{64}$/,
    );
    assert.deepEqual(JSON.parse(body), { SecretId: 'prod/db' });
    answer = () => ({ body: { SecretBinary: Buffer.from('pw-2').toString('base64') } });
    assert.equal((await read(sources, 'aws-sm://main/prod/db')).value, 'pw-2');
    answer = () => ({ body: { SecretString: 'not JSON' } });
    await assert.rejects(read(sources, 'aws-sm://main/prod/db#password'), /no text/);
  });

  it('has no credentials where the environment has none: those of the machine are not asked for', async () => {
    const source = new AwsSecretsManager(
      { kind: 'aws', region: 'eu-central-1', endpoint: url, credentials: { environment: true } },
      undefined,
      {},
    );
    await assert.rejects(
      source.read(parseReference('aws-sm://main/x'), AbortSignal.timeout(5000)),
      /no credentials/,
    );
    assert.equal(asked.length, 0);
  });
});

describe('GCP Secret Manager', () => {
  it('is asked with a token that a key file proves, from where the configuration says and not the file', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = {
      ...{ type: 'service_account', client_email: 'postern@p.iam', token_uri: 'https://evil.example/token' },
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    };
    const tokenUrl = `${url}/token`;
    const sources = one({
      ...{ kind: 'gcp', endpoint: url, tokenUrl, ca: caFile },
      auth: { serviceAccountFile: file('sa.json', JSON.stringify(key)) },
    });
    answer = ({ path }) =>
      path === '/token'
        ? { body: { access_token: 'ya29.x', expires_in: 3599, token_type: 'Bearer' } }
        : {
            body: {
              name: 'projects/1/secrets/db/versions/4',
              payload: { data: Buffer.from('pw-g').toString('base64'), dataCrc32c: '1' },
            },
          };
    const got = await read(sources, 'gcp-sm://main/bank/db');
    assert.deepEqual(got, { value: 'pw-g', version: 'projects/1/secrets/db/versions/4' });
    await read(sources, 'gcp-sm://main/bank/db/3');
    assert.deepEqual(
      asked.map(({ path }) => path),
      [
        '/token',
        '/v1/projects/bank/secrets/db/versions/latest:access',
        '/v1/projects/bank/secrets/db/versions/3:access',
      ],
    );
    assert.equal(asked[1]?.headers.authorization, 'Bearer ya29.x');
    const assertion = new URLSearchParams(asked[0]?.body).get('assertion') ?? '';
    const [head = '', claims = '', signature = ''] = assertion.split('.');
    assert.ok(createVerify('sha256').update(`${head}.${claims}`).verify(publicKey, signature, 'base64url'));
    const said = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { aud: string; iss: string };
    assert.deepEqual([said.aud, said.iss], [tokenUrl, 'postern@p.iam']);
  });

  it('the metadata server of the machine gives a token, asked as it wants to be', async () => {
    const metadata = createPlainServer((request, response) => {
      assert.equal(request.headers['metadata-flavor'], 'Google');
      response.end(JSON.stringify({ access_token: 'ya29.m', expires_in: 100, token_type: 'Bearer' }));
    }).listen(0, '127.0.0.1');
    await once(metadata, 'listening');
    const { port } = metadata.address() as AddressInfo;
    const sources = one({
      ...{ kind: 'gcp', endpoint: url, ca: caFile },
      auth: { metadata: `127.0.0.1:${port}` },
    });
    answer = () => ({ body: { payload: { data: Buffer.from('{"p":"pw"}').toString('base64') } } });
    assert.equal((await read(sources, 'gcp-sm://main/bank/db#p')).value, 'pw');
    assert.equal(asked[0]?.headers.authorization, 'Bearer ya29.m');
    metadata.close();
  });
});

describe('Kubernetes secrets, files and the environment', () => {
  it('a cluster is asked with the token as it is now', async () => {
    const tokenFile = file('projected', 'one');
    const sources = one({ kind: 'kubernetes', url, ca: caFile, tokenFile });
    answer = () => ({
      body: { kind: 'Secret', metadata: { resourceVersion: '81' }, data: { password: 'cHctaw==' } },
    });
    assert.deepEqual(await read(sources, 'k8s://main/prod/db#password'), { value: 'pw-k', version: '81' });
    file('projected', 'two');
    await read(sources, 'k8s://main/prod/db#password');
    assert.equal(asked[0]?.path, '/api/v1/namespaces/prod/secrets/db');
    assert.deepEqual(
      asked.map(({ headers }) => headers.authorization),
      ['Bearer one', 'Bearer two'],
    );
  });

  it('files come from one folder and no link leads out of it; nobody else may write or everybody read them', async () => {
    const folder = join(dir, 'mounted');
    mkdirSync(join(folder, '..data'), { recursive: true });
    file('mounted/..data/db', 'pw-f\n', 0o440);
    symlinkSync('..data/db', join(folder, 'db'));
    symlinkSync('../token', join(folder, 'out'));
    file('token', 'hvs.one');
    file('mounted/open', 'x', 0o644);
    const sources = one({ kind: 'file', directory: folder });
    assert.equal((await read(sources, 'file://main/db')).value, 'pw-f');
    await assert.rejects(read(sources, 'file://main/out'), /leads out/);
    await assert.rejects(read(sources, 'file://main/open'), /everybody/);
    for (const bad of [
      'file://main/../token',
      'file://main/a/../../token',
      'file://main//etc/passwd',
      'file:///etc/passwd',
    ])
      assert.throws(() => sources.find(bad), { code: 'POSTERN_INVALID' });
  });

  it('variables are taken out of the environment, and no other than those meant for it', async () => {
    process.env.POSTERN_SECRET_LEDGER = 'pw-e';
    const sources = one({ kind: 'environment' });
    assert.equal(process.env.POSTERN_SECRET_LEDGER, undefined);
    assert.equal((await read(sources, 'env://main/LEDGER')).value, 'pw-e');
    await assert.rejects(read(sources, 'env://main/PATH'), /no text/);
  });
});

describe('what a source or a caller does wrongly', () => {
  const sources = (): SecretSources =>
    vault({ tokenFile: file('token', 'hvs.one') }, { paths: ['secret/postern'] });
  const REF = 'vault+kv://main/secret/postern/db#password';

  it('a reference names no host, no other source and nothing that the operator did not open', () => {
    for (const bad of [
      'https://169.254.169.254/latest/meta-data',
      'vault+kv://127.0.0.1:8200/secret/postern/db#password',
      'vault+kv://main@evil.example/secret/postern/db#password',
      'vault+kv://other/secret/postern/db#password',
      'aws-sm://main/secret/postern/db',
      'vault+kv://main/secret/other/db#password',
      'vault+kv://main/secret/postern-other/db#password',
      'vault+kv://main/secret/postern/../other#password',
      'vault+kv://main/secret/postern/%2e%2e/other#password',
      'vault+kv://main/secret/postern/db?version=1#password',
      'vault+kv://main/secret/postern/db',
      `vault+kv://main/secret/postern/${'x'.repeat(1000)}#password`,
      'vault+kv://main/secret/postern/d\nb#password',
      '',
    ])
      assert.throws(() => sources().find(bad), { code: 'POSTERN_INVALID' }, bad);
    sources().find(REF);
  });

  it('any text is either a reference that says the same again, or refused', () => {
    const part = fc.stringMatching(/^[a-z0-9._%/#?@:-]{0,20}$/);
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        const text = parts.join('/');
        try {
          const { scheme, source, path, field } = parseReference(text);
          assert.equal(`${scheme}://${source}/${path.join('/')}${field === null ? '' : `#${field}`}`, text);
          assert.ok(path.every((each) => each !== '..' && each !== ''));
        } catch (error) {
          assert.ok(error instanceof PosternError);
        }
      }),
    );
  });

  it('silence, redirections, errors, huge and strange answers fail in time, and say nothing of what was answered', async () => {
    const leak = 'hidden-Zq81';
    const cases: (Answer | 'silence')[] = [
      'silence',
      { status: 302, headers: { location: `${url}/elsewhere` }, body: leak },
      { status: 500, body: { errors: [leak] } },
      { status: 200, body: `${leak} is not JSON` },
      { status: 200, body: [leak] },
      { status: 200, body: { data: { data: { password: [leak] } } } },
      { status: 200, body: { data: { data: { password: '' } } } },
      { status: 200, body: { data: { data: { password: `${leak}\0` } } } },
      { status: 200, body: { data: { data: { password: 'x'.repeat(2000) } } } },
      { status: 200, body: { data: { data: null }, pad: leak } },
      { status: 200, body: JSON.stringify({ pad: leak.repeat(100_000) }) },
    ];
    for (const each of cases) {
      answer = () => each;
      await assert.rejects(read(sources(), REF, 500), (error: Error) => {
        assert.ok(!error.message.includes(leak) && !error.message.includes('hvs.'), error.message);
        return true;
      });
    }
    assert.ok(asked.every(({ path }) => path === '/v1/secret/data/postern/db'));
  });

  it('a server that another authority vouches for, or none, is not asked', async () => {
    const other = await makeServerCertificate();
    const strange = vault({ tokenFile: file('token', 'hvs.one') }, { ca: file('other.pem', other.caPem) });
    await assert.rejects(read(strange, 'vault+kv://main/secret/a#password'), /certificate|signature/i);
    const system = vault({ tokenFile: file('token', 'hvs.one') }, { ca: undefined });
    await assert.rejects(read(system, 'vault+kv://main/secret/a#password'), /certificate|signature/i);
    const plain = vault({ tokenFile: file('token', 'hvs.one') }, { url: url.replace('https', 'http') });
    await assert.rejects(read(plain, 'vault+kv://main/secret/a#password'), /https/);
    assert.equal(asked.length, 0);
  });
});
