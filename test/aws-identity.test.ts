/**
 * Signed requests for GetCallerIdentity, from signing to the proof. No AWS can be reached from here: a server on 127.0.0.1 with a
 * certificate for the name of AWS takes its place, which checks every signature as the standard says.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { after, before, describe, it, type TestContext } from 'node:test';
import { testControl } from '../src/access/control.fixture.ts';
import { readCallerIdentity, readSignedRequest } from '../src/identity/aws-request.ts';
import { TOKEN_TYPES } from '../src/identity/proof.ts';
import { makeServerCertificate } from './support/certificates.ts';
import { type AwsKey, type AwsRequest, amzDate, signatureOf, signed } from './support/sigv4.ts';

const HOST = 'sts.eu-central-1.amazonaws.com';
const AUDIENCE = 'https://postern.bank.example';
const BODY = 'Action=GetCallerIdentity&Version=2011-06-15';
const ROLE = 'AROAEXAMPLEEXAMPLE12';
const NIGHTLY: AwsKey = {
  id: 'ASIAEXAMPLENIGHTLY00',
  secret: 'not a secret',
  token: 'session+token/of=nightly',
};
const OTHER: AwsKey = { id: 'AKIAEXAMPLEOTHER0000', secret: 'not one either' };
const ARN = 'arn:aws:sts::123456789012:assumed-role/Nightly/i-0abc';

const answer = (account: string, arn: string, user: string): object => ({
  GetCallerIdentityResponse: {
    GetCallerIdentityResult: { Account: account, Arn: arn, UserId: user },
    ResponseMetadata: { RequestId: '00000000-0000-0000-0000-000000000000' },
  },
});

interface Over {
  readonly key?: AwsKey;
  readonly at?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly region?: string;
}

function request(over: Over = {}): AwsRequest {
  const headers = {
    'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
    host: HOST,
    'x-postern-server-id': AUDIENCE,
    ...over.headers,
  };
  return signed({ method: 'POST', path: '/', headers, body: over.body ?? BODY }, over.key ?? NIGHTLY, {
    ...{ region: over.region ?? 'eu-central-1', service: 'sts', date: amzDate(over.at ?? Date.now()) },
  });
}

const shown = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const tokenOf = ({ headers }: AwsRequest, more: object = {}): string =>
  shown({ url: `https://${HOST}/`, headers, ...more });

describe('signatures of AWS', () => {
  it('are those of the published vectors', () => {
    const key = { id: 'AKIDEXAMPLE', secret: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
    const at = { region: 'us-east-1', service: 'service', date: '20150830T123600Z' };
    const headers = { host: 'example.amazonaws.com' };
    for (const [method, signature] of [
      ['GET', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
      ['POST', '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b'],
    ] as const) {
      const made = signed({ method, path: '/', headers, body: '' }, key, at);
      assert.equal(
        made.headers.authorization,
        `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=${signature}`,
      );
    }
  });
});

describe('a signed request for GetCallerIdentity', () => {
  const why = (token: string, now = Date.now()): string => {
    const read = readSignedRequest(token, now);
    return typeof read === 'string' ? read : 'taken';
  };

  it('is taken when it is that and nothing else', () => {
    const read = readSignedRequest(tokenOf(request()), Date.now());
    assert.ok(typeof read === 'object', String(read));
    assert.equal(read.url, `https://${HOST}/`);
    assert.equal(read.body, BODY);
    assert.equal(read.serverId, AUDIENCE);
    assert.equal(why(tokenOf(request({ key: OTHER }))), 'taken');
  });

  it('goes to the STS of a region and nowhere else', () => {
    const { headers } = request();
    for (const url of [
      'https://sts.amazonaws.com/',
      `http://${HOST}/`,
      `https://${HOST}`,
      `https://${HOST}:444/`,
      `https://${HOST}/?Action=AssumeRole`,
      `https://${HOST}/x`,
      `https://user@${HOST}/`,
      `https://${HOST}.evil.example/`,
      'https://sts.evil.amazonaws.com/',
      'https://sts.eu-central-1.amazonaws.com.evil.example/',
      'https://evil.example/sts.eu-central-1.amazonaws.com/',
      'https://127.0.0.1/',
      'https://169.254.169.254/',
      `https://${HOST}/\n`,
    ])
      assert.match(why(shown({ url, headers })), /not for the STS/, url);
    assert.match(why(tokenOf(request({ region: 'us-east-1' }))), /another region/);
    assert.match(why(tokenOf(request({ headers: { host: 'sts.us-east-1.amazonaws.com' } }))), /another host/);
  });

  it('has no header but those that it needs, each once, and all of them signed', () => {
    const { headers } = request();
    for (const [name, value] of [
      ['x-amz-target', 'x'],
      ['X-Amz-Date', headers['x-amz-date'] ?? ''],
      ['transfer-encoding', 'chunked'],
      ['connection', 'keep-alive'],
      ['accept', 'text/xml'],
      ['cookie', 'a=b'],
      ['x-forwarded-host', 'evil.example'],
      ['content-length', '43'],
      ['__proto__x', 'x'],
    ] as const)
      assert.match(
        why(shown({ url: `https://${HOST}/`, headers: { ...headers, [name]: value } })),
        /not taken/,
        name,
      );
    for (const value of ['a\r\nx: y', 'a\n', ' a', '', 'ä', 7, null])
      assert.match(
        why(shown({ url: `https://${HOST}/`, headers: { ...headers, 'x-postern-server-id': value } })),
        /not taken/,
      );
    const { 'x-postern-server-id': _, ...without } = headers;
    assert.match(why(shown({ url: `https://${HOST}/`, headers: without })), /no header x-postern-server-id/);
    const unsigned = signed(
      { method: 'POST', path: '/', headers: { host: HOST }, body: BODY },
      ...([NIGHTLY, { region: 'eu-central-1', service: 'sts', date: amzDate(Date.now()) }] as const),
    );
    const added = { ...unsigned.headers, 'x-postern-server-id': AUDIENCE };
    assert.match(why(shown({ url: `https://${HOST}/`, headers: added })), /leaves headers out/);
    const { 'content-type': __, ...less } = headers;
    assert.match(why(shown({ url: `https://${HOST}/`, headers: less })), /headers that it does not have/);
  });

  it('is signed for this service a moment ago', () => {
    const now = Date.now();
    assert.match(why(tokenOf(request({ at: now - 301_000 })), now), /too long ago/);
    assert.match(why(tokenOf(request({ at: now + 120_000 })), now), /in the future/);
    const { headers } = request();
    const over = (changed: object): string =>
      why(shown({ url: `https://${HOST}/`, headers: { ...headers, ...changed } }));
    for (const date of ['now', '20261322T000000Z', '20150830T123600Z', '2026-11-22T00:00:00Z'])
      assert.notEqual(over({ 'x-amz-date': date }), 'taken', date);
    for (const authorization of [
      'Basic eDp5',
      headers.authorization?.replace('/sts/', '/s3/') ?? '',
      headers.authorization?.replace('AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256') ?? '',
      `${headers.authorization}, Signature=${'0'.repeat(64)}`,
    ])
      assert.match(over({ authorization }), /not signed as AWS asks for/, authorization);
  });

  it('is one JSON object in one spelling', () => {
    const good = tokenOf(request());
    for (const bad of [
      `${good}=`,
      '',
      '{}',
      shown([]),
      shown({ url: 7, headers: {} }),
      tokenOf(request(), { body: 'Action=AssumeRole' }),
      tokenOf(request(), { method: 'GET' }),
      Buffer.from('{"url":"x","url":"y","headers":{}}').toString('base64url'),
      'e'.repeat(20_000),
    ])
      assert.match(why(bad), /no signed request/, bad.slice(0, 40));
  });

  it('is of whom AWS says, in the form in which it says it', () => {
    assert.deepEqual(
      readCallerIdentity(answer('123456789012', ARN, `${ROLE}:i-0abc`) as Record<string, unknown>),
      {
        ...{ account: '123456789012', arn: ARN, uniqueId: ROLE, session: 'i-0abc' },
      },
    );
    for (const bad of [
      {},
      { GetCallerIdentityResponse: [] },
      answer('123456789013', ARN, ROLE),
      answer('123456789012', 'arn:aws:s3:::123456789012:x', ROLE),
      answer('123456789012', ARN, `${ROLE}:a:b`),
      answer('123456789012', ARN, `${ROLE}\n`),
    ])
      assert.equal(readCallerIdentity(bad as Record<string, unknown>), null, JSON.stringify(bad));
  });
});

describe('the proof by GetCallerIdentity', () => {
  let sts: Server;
  let caPem: string;
  let wrong: Server;
  let asked = 0;
  /** What AWS says instead. */
  let says: ((response: ServerResponse) => void) | null = null;
  before(async () => {
    const tls = await makeServerCertificate([HOST], []);
    caPem = tls.caPem;
    sts = createServer({ cert: tls.certPem, key: tls.keyPem }, (incoming, response) => {
      asked += 1;
      let body = '';
      incoming.on('data', (part) => {
        body += part;
      });
      incoming.on('end', () => {
        if (says !== null) return says(response);
        const headers = incoming.headers as Record<string, string>;
        const [, id, scope = '', names = '', signature] =
          /Credential=([^/]+)\/([^,]+), SignedHeaders=([^,]+), Signature=(\w+)/.exec(
            headers.authorization ?? '',
          ) ?? [];
        const key = [NIGHTLY, OTHER].find((each) => each.id === id);
        const over = { method: incoming.method ?? '', path: incoming.url ?? '', headers, body };
        const right =
          key !== undefined &&
          headers['x-amz-security-token'] === key.token &&
          body === BODY &&
          signature === signatureOf(over, names.split(';'), scope, key.secret);
        if (!right) return response.writeHead(403).end('{}');
        assert.equal(headers.accept, 'application/json');
        assert.equal(headers.host, HOST);
        const of =
          key === NIGHTLY
            ? [ARN, `${ROLE}:i-0abc`]
            : ['arn:aws:iam::123456789012:user/other', 'AIDAOTHEROTHEROTHER1'];
        response.end(JSON.stringify(answer('123456789012', of[0] ?? '', of[1] ?? '')));
      });
    });
    // The same authority, another name: whoever sits on the way to AWS.
    const other = await makeServerCertificate(['localhost']);
    wrong = createServer({ cert: other.certPem, key: other.keyPem }, () => assert.fail('it was asked'));
    for (const server of [sts, wrong]) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
  });
  after(() => {
    for (const server of [sts, wrong]) {
      server.close();
      server.closeAllConnections();
    }
  });

  const portOf = (server: Server): number => (server.address() as { port: number }).port;

  async function bound(context: TestContext, server: Server, over: object = {}) {
    const address = { host: '127.0.0.1', port: portOf(server) };
    const test = await testControl(context, { platforms: { sts: { ca: caPem, address } } });
    const { control, actor, admin } = test;
    const backup = await control.persons.create(actor, {
      name: 'Bo',
      email: 'bo@example.org',
      roles: ['owner'],
    });
    await control.principals.create(actor, {
      ...{ name: 'nightly', kind: 'workload', owner: admin.id, backupOwner: backup.id },
      ...{ purpose: 'Pays interest', environment: 'production' },
    });
    const binding = await control.platforms.bind(
      ...([actor, 'nightly'] as const),
      {
        ...{
          kind: 'aws',
          account: '123456789012',
          uniqueId: ROLE,
          region: 'eu-central-1',
          audience: AUDIENCE,
        },
        ...over,
      },
      undefined,
    );
    const prover = control.provers.get(TOKEN_TYPES.awsCallerIdentity);
    assert.ok(prover);
    const prove = (token: string) =>
      prover({ type: TOKEN_TYPES.awsCallerIdentity, token, source: '192.0.2.1' });
    return { ...test, binding, prove };
  }

  it('names the principal that is bound to the identity, once for each request', async (context) => {
    const { prove, binding } = await bound(context, sts);
    const token = tokenOf(request());
    const proof = await prove(token);
    assert.equal(proof.binding, binding.id);
    assert.equal(proof.principal.name, 'nightly');
    assert.equal(proof.subject, ARN);
    assert.deepEqual(proof.claims, { account: '123456789012', arn: ARN, unique_id: ROLE, session: 'i-0abc' });
    assert.ok(!JSON.stringify(proof).includes(NIGHTLY.token ?? '-'));
    await assert.rejects(prove(token), /was exchanged before/);
    const again = await Promise.allSettled(
      [1, 2, 3].map(() => prove(tokenOf(request({ at: Date.now() - 5000 })))),
    );
    assert.equal(
      again.filter(({ status }) => status === 'fulfilled').length,
      1,
      'the same signature, at once',
    );
  });

  it('is not there for another identity, session, audience, region or signature, nor twice for one', async (context) => {
    const { prove, control, actor } = await bound(context, sts, { session: 'i-0abc' });
    const refused = (token: string, pattern: RegExp) => assert.rejects(prove(token), pattern);
    await refused(tokenOf(request({ key: OTHER })), /of nobody who is bound/);
    await refused(
      tokenOf(request({ key: { ...NIGHTLY, secret: 'guessed' } })),
      /AWS does not answer, or refuses it/,
    );
    await refused(
      tokenOf(request({ key: { ...NIGHTLY, token: 'another' } })),
      /AWS does not answer, or refuses it/,
    );
    const before = asked;
    await refused(
      tokenOf(request({ headers: { 'x-postern-server-id': 'https://other.example' } })),
      /nobody is bound to such/,
    );
    const host = 'sts.us-east-1.amazonaws.com';
    const elsewhere = request({ region: 'us-east-1', headers: { host } });
    await refused(shown({ url: `https://${host}/`, headers: elsewhere.headers }), /nobody is bound to such/);
    assert.equal(asked, before, 'AWS is asked about nobody who is not bound');
    const backup = await control.persons.get('bo@example.org');
    await control.principals.create(actor, {
      ...{ name: 'second', kind: 'workload', owner: actor.id, backupOwner: backup.id },
      ...{ purpose: 'Another', environment: 'production' },
    });
    const same = {
      kind: 'aws',
      account: '123456789012',
      uniqueId: ROLE,
      region: 'eu-west-1',
      audience: 'x',
    } as const;
    await assert.rejects(control.platforms.bind(actor, 'second', same, undefined), {
      code: 'POSTERN_CONFLICT',
    });
    for (const bad of [
      { uniqueId: 'Nightly' },
      { region: 'evil.example' },
      { account: '1' },
      { audience: '*' },
    ])
      await assert.rejects(control.platforms.bind(actor, 'second', { ...same, ...bad }, undefined), {
        code: 'POSTERN_INVALID',
      });
  });

  it('is not there when AWS is another, redirects, or answers with too much or something else', async (context) => {
    const { prove } = await bound(context, sts);
    const stranger = await bound(context, wrong);
    await assert.rejects(stranger.prove(tokenOf(request())), /AWS does not answer, or refuses it/);
    for (const answers of [
      (response: ServerResponse) => response.writeHead(302, { location: `https://${HOST}/` }).end(),
      (response: ServerResponse) => response.writeHead(500).end('{}'),
      (response: ServerResponse) => response.end('<GetCallerIdentityResponse/>'),
      (response: ServerResponse) => response.end(`{"x":"${'x'.repeat(300_000)}"}`),
      (response: ServerResponse) =>
        response.end(
          JSON.stringify(answer('123456789012', ARN, `${ROLE}:x`)).replace(
            '{',
            '{"GetCallerIdentityResponse":{},',
          ),
        ),
      (response: ServerResponse) => response.destroy(),
    ]) {
      says = answers;
      await assert.rejects(prove(tokenOf(request())), { code: 'POSTERN_UNAUTHORIZED' });
    }
    says = null;
    await prove(tokenOf(request({ at: Date.now() - 9000 })));
  });
});
