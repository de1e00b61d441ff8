/** Requests of ordinary clients through Postern to a service. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Agent } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type Credential, Service } from './support/service.ts';
import { signatureOf } from './support/sigv4.ts';

describe('a service behind Postern', () => {
  let service: Service;
  let reporter: Credential;
  let grant: string;

  before(async () => {
    service = await Service.start();
    grant = await service.grant('GET, HEAD on /v1/accounts/**; POST on /v1/transfers where body <= 1KiB');
    reporter = await service.credential();
  });
  after(() => service.stop());
  beforeEach(() => {
    service.handler = null;
    service.seen.length = 0;
  });

  it('gets what a grant covers, with the credential of Postern instead of the client’s', async () => {
    const { status, text } = await service.ask(reporter, '/accounts/v1/accounts/42?full=1', {
      headers: {
        cookie: 'a=b',
        'x-forwarded-for': '1.2.3.4',
        'x-request-id': 'r1',
        'postern-principal': 'reporter',
      },
    });
    assert.equal(status, 200, text);
    const { method, url, headers } = JSON.parse(text);
    assert.deepEqual([method, url], ['GET', '/v1/accounts/42?full=1']);
    assert.equal(headers.authorization, 'Bearer upstream-secret');
    assert.equal(headers['x-request-id'], 'r1');
    assert.equal(headers.cookie, undefined);
    assert.equal(headers['x-forwarded-for'], undefined);
    assert.equal(headers['postern-principal'], undefined);
    assert.match(headers['postern-record'], /^[0-9a-f-]{36}$/);
    const row = await service.record(headers['postern-record']);
    assert.deepEqual(row?.verbs, ['GET']);
    assert.deepEqual(row?.objects, ['/v1/accounts/*']);
    assert.deepEqual([row?.decision, row?.status, row?.code, row?.grant], ['allow', 'ok', '200', grant]);
  });

  it('gets a body as it was sent, and its digest is in the record', async () => {
    const body = JSON.stringify({ amount: 12, to: 'x' });
    const { status, text } = await service.ask(reporter, '/accounts/v1/transfers', {
      ...{ method: 'POST', body, headers: { 'content-type': 'application/json' } },
    });
    assert.equal(status, 200);
    const answered = JSON.parse(text);
    assert.equal(answered.body, body);
    const { outcome } = await service.record(answered.headers['postern-record']);
    const sha256 = createHash('sha256').update(body).digest('hex');
    assert.deepEqual(outcome?.body, { bytes: body.length, sha256 });
  });

  it('is not asked what no grant covers; the refusal says how to ask for it', async () => {
    const { status, text } = await service.ask(reporter, '/accounts/v1/accounts/42', { method: 'DELETE' });
    assert.equal(status, 403);
    const said = JSON.parse(text);
    assert.equal(said.title, 'POSTERN_SCOPE_DENIED');
    assert.match(said.hint, /--scope 'DELETE on \/v1\/accounts\/42'/);
    assert.deepEqual(service.seen, []);
    const row = (await service.commands()).find(({ id }) => id === said.record);
    assert.equal(row?.decision, 'deny');
  });

  it('is not asked more than the grant allows of a body, whether its length was said or not', async () => {
    const body = 'x'.repeat(1025);
    const said = await service.ask(reporter, '/accounts/v1/transfers', { method: 'POST', body });
    assert.equal(said.status, 403);
    assert.deepEqual(service.seen, []);
    const chunked = await service.ask(reporter, '/accounts/v1/transfers', {
      ...{ method: 'POST', body, headers: { 'transfer-encoding': 'chunked' } },
    });
    assert.equal(chunked.status, 413, chunked.text);
  });

  it('is asked by nobody who does not prove who they are', async () => {
    for (const [headers, status] of [
      [{}, 401],
      [{ authorization: 'Basic !!!' }, 401],
      [{ authorization: `Basic ${Buffer.from('reporter:wrong').toString('base64')}` }, 401],
      [{ authorization: `Bearer ${reporter.password}` }, 401],
      [{ authorization: `Bearer ${reporter.password}`, 'postern-principal': 'somebody' }, 401],
      [{ authorization: `Bearer ${reporter.password}`, 'postern-principal': 'reporter' }, 200],
      [
        { 'proxy-authorization': `Basic ${Buffer.from(`reporter:${reporter.password}`).toString('base64')}` },
        200,
      ],
    ] as const) {
      const answered = await service.ask(null, '/accounts/v1/accounts/1', { headers });
      assert.equal(answered.status, status, JSON.stringify(headers));
      assert.ok(!answered.text.includes(reporter.password));
    }
    assert.deepEqual(service.seen, ['GET /v1/accounts/1', 'GET /v1/accounts/1']);
  });

  it('keeps its cookies and its challenges to itself', async () => {
    service.handler = (_request, response) => {
      response.writeHead(200, {
        'set-cookie': 'session=1',
        'x-kept': 'yes',
        connection: 'x-hop',
        'x-hop': '1',
        trailer: 'x-sum',
      });
      response.addTrailers({ 'x-sum': '42' });
      response.end('ok');
    };
    const { headers } = await service.ask(reporter, '/accounts/v1/accounts/1');
    assert.equal(headers['set-cookie'], undefined);
    assert.equal(headers['x-hop'], undefined);
    assert.equal(headers['x-kept'], 'yes');
    service.handler = (_request, response) => {
      response.writeHead(401, { 'www-authenticate': 'Bearer realm="inside"' });
      response.end('bad token upstream-secret');
    };
    const refused = await service.ask(reporter, '/accounts/v1/accounts/1');
    assert.equal(refused.status, 502);
    assert.equal(refused.headers['www-authenticate'], undefined);
    assert.ok(!refused.text.includes('upstream-secret'));
  });

  it('is reached over one connection for many requests, which are one session', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ids: string[] = [];
    for (let index = 0; index < 5; index++) {
      const { text } = await service.ask(reporter, `/accounts/v1/accounts/${index}`, { agent });
      ids.push(JSON.parse(text).headers['postern-record']);
    }
    const rows = (await service.commands()).filter(({ id }) => ids.includes(id));
    assert.equal(rows.length, 5);
    assert.equal(new Set(rows.map(({ session }) => session)).size, 1);
    agent.destroy();
  });

  it('loses a stream within a second when its grant is revoked', async () => {
    const own = await service.grant('GET on /v1/stream');
    let closed = false;
    service.handler = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const timer = setInterval(() => response.write('data: tick\n\n'), 50);
      response.on('close', () => {
        clearInterval(timer);
        closed = true;
      });
    };
    const socket = await service.socket();
    socket.write(
      `GET /accounts/v1/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic ${Buffer.from(`reporter:${reporter.password}`).toString('base64')}\r\n\r\n`,
    );
    let text = '';
    await new Promise<void>((resolve) => {
      socket.on('data', (chunk: Buffer) => {
        text += chunk;
        if (text.split('tick').length > 4) resolve();
      });
    });
    const ended = new Promise<void>((resolve) => socket.on('close', () => resolve()));
    const began = Date.now();
    await service.postern.call('POST', `/v1/grants/${own}/revoke`, { reason: 'a test' });
    await ended;
    assert.ok(Date.now() - began < 5000);
    for (let wait = 0; !closed && wait < 50; wait++) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.ok(closed);
    assert.equal((await service.ask(reporter, '/accounts/v1/stream')).status, 403);
  });

  it('of AWS gets requests that Postern has signed, body and all', async () => {
    const secret = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
    await service.resource('aws-api', {
      http: {
        hosts: [],
        basePath: '/prod',
        auth: { kind: 'sigv4', region: 'eu-central-1', service: 'execute-api' },
      },
      port: (service.upstream.address() as AddressInfo).port,
      upstream: { user: 'AKIDEXAMPLE', password: secret },
    });
    await service.grant('POST on /orders', { resource: 'aws-api' });
    let fits = false;
    service.handler = (request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        const [, scope = '', names = '', given = ''] =
          /Credential=AKIDEXAMPLE\/([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]+)$/.exec(
            request.headers.authorization ?? '',
          ) ?? [];
        const headers = request.headers as Record<string, string>;
        const asked = { method: 'POST', path: request.url ?? '', headers, body };
        fits = given !== '' && given === signatureOf(asked, names.split(';'), scope, secret);
        response.end('ok');
      });
    };
    const body = '{"id":1}';
    const { status, text } = await service.ask(reporter, '/aws-api/orders', {
      ...{
        method: 'POST',
        body,
        headers: {
          'content-type': 'application/json',
          'x-amz-target': 'Orders.Put',
          'x-amz-date': '19700101T000000Z',
        },
      },
    });
    assert.equal(status, 200, text);
    assert.ok(fits);
  });
});
