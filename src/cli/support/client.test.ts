import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ensureTls } from '../../vault/ca.ts';
import { ApiClient, path } from './client.ts';
import { CliError } from './failure.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-client-'));
const servers: Server[] = [];
let tls: { caPem: string; certPem: string; keyPem: string };
before(async () => {
  tls = await ensureTls(directory);
});
after(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(directory, { recursive: true, force: true });
});

/** A client of a server that answers as the test says, with a certificate of Postern's own authority. */
async function clientOf(answer: RequestListener, trust: 'own' | 'system' = 'own'): Promise<ApiClient> {
  const server = createServer({ cert: tls.certPem, key: tls.keyPem }, answer).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return new ApiClient({
    api: `https://127.0.0.1:${port}`,
    ca: trust === 'own' ? { file: 'ca.crt', pem: tls.caPem } : null,
    token: 'pat_secret',
  });
}
const json = (status: number, body: unknown) => (_: IncomingMessage, response: ServerResponse) => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};
const fails = (code: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof CliError, String(error));
  assert.equal(error.code, code);
  assert.match(`${error.message} | ${error.hint}`, pattern);
  assert.ok(!`${error.message}${error.hint}`.includes('pat_secret'));
  return true;
};

describe('the client of the API', () => {
  it('shows the token as a bearer token and sends and reads JSON', async () => {
    const seen: string[] = [];
    const client = await clientOf(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      seen.push(`${request.method} ${request.url} ${request.headers.authorization} ${body}`);
      json(200, { ok: true })(request, response);
    });
    assert.deepEqual(await client.get('/v1/grants', { status: 'a&b', principal: undefined }), { ok: true });
    await client.post('/v1/grants', { scope: 'select on ä.*' });
    assert.deepEqual(seen, [
      'GET /v1/grants?status=a%26b Bearer pat_secret ',
      'POST /v1/grants Bearer pat_secret {"scope":"select on ä.*"}',
    ]);
  });

  it('tells what the API says when it refuses', async () => {
    const error = { code: 'POSTERN_INVALID', message: 'Unknown verb "selct".', hint: 'Did you mean select?' };
    const client = await clientOf(json(400, { error }));
    await assert.rejects(
      client.get('/'),
      fails('POSTERN_INVALID', /Unknown verb "selct"\. \| Did you mean select\?/),
    );
  });

  it('says how to get a token when there is none or a wrong one', async () => {
    const client = await clientOf(json(401, { error: { code: 'POSTERN_UNAUTHORIZED', message: 'No.' } }));
    await assert.rejects(client.get('/'), fails('POSTERN_UNAUTHORIZED', /wrong or has ended.*postern login/));
    const bare = new ApiClient({ ...client.connection, token: null });
    await assert.rejects(bare.get('/'), fails('POSTERN_UNAUTHORIZED', /--token-file FILE or POSTERN_TOKEN/));
  });

  it('does not send anything to a server whose certificate it does not trust', async () => {
    let asked = 0;
    const client = await clientOf((_, response) => {
      asked += 1;
      response.end('{}');
    }, 'system');
    await assert.rejects(client.get('/'), fails('CLI_NOT_TRUSTED', /--ca FILE or POSTERN_CA/));
    const misnamed = new ApiClient({
      ...client.connection,
      ca: { file: 'ca.crt', pem: tls.caPem },
      api: client.connection.api.replace('127.0.0.1', '127.0.0.2'),
    });
    await assert.rejects(misnamed.get('/'), (error: unknown) => error instanceof CliError);
    assert.equal(asked, 0);
  });

  it('does not follow a redirect, which would show the token to somebody else', async () => {
    let elsewhere = 0;
    const other = await clientOf((_, response) => {
      elsewhere += 1;
      response.end('{}');
    });
    const client = await clientOf((_, response) => {
      response.writeHead(307, { location: other.connection.api }).end();
    });
    await assert.rejects(client.get('/'), fails('CLI_BAD_ANSWER', /HTTP status 307/));
    assert.equal(elsewhere, 0);
  });

  it('does not choke on answers that Postern would not give', async () => {
    const text = (status: number, body: string) =>
      clientOf((_, response) => response.writeHead(status).end(body));
    await assert.rejects((await text(200, '<html>')).get('/'), fails('CLI_BAD_ANSWER', /not JSON/));
    await assert.rejects((await text(502, '<html>')).get('/'), fails('CLI_BAD_ANSWER', /HTTP status 502/));
    await assert.rejects((await text(500, 'null')).get('/'), fails('CLI_BAD_ANSWER', /HTTP status 500/));
    await assert.rejects((await text(500, '{"error":{"code":1}}')).get('/'), fails('CLI_BAD_ANSWER', /500/));
    const lost = await clientOf((request) => request.socket.destroy());
    await assert.rejects(lost.get('/'), fails('CLI_CONNECTION_LOST', /closed the connection/));
    const endless = await clientOf((_, response) => {
      const megabyte = Buffer.alloc(1 << 20, 'a');
      const more = (): void => {
        while (response.writable && response.write(megabyte));
        response.once('drain', more);
      };
      more();
    });
    await assert.rejects(endless.get('/'), fails('CLI_BAD_ANSWER', /too large/));
  });

  it('says that nobody listens, or that it is not TLS', async () => {
    const nobody = createTcpServer((socket) => socket.resume().end('SSH-2.0-x\r\n')).listen(0, '127.0.0.1');
    await once(nobody, 'listening');
    const { port } = nobody.address() as AddressInfo;
    const client = new ApiClient({ api: `https://127.0.0.1:${port}`, ca: null, token: null });
    await assert.rejects(client.get('/'), fails('CLI_CANNOT_CONNECT', /Is the port that of the API/));
    nobody.close();
    await once(nobody, 'close');
    await assert.rejects(client.get('/'), fails('CLI_CANNOT_CONNECT', /connection refused.*postern serve/));
  });

  it('gets every page of a list, and no page twice', async () => {
    const client = await clientOf((request, response) => {
      const at = Number(new URL(request.url ?? '/', 'https://x').searchParams.get('cursor') ?? 0);
      json(200, { items: [at, at + 1], next: at < 4 ? String(at + 2) : null })(request, response);
    });
    assert.deepEqual(await client.all('/v1/x'), [0, 1, 2, 3, 4, 5]);
    const endless = await clientOf(json(200, { items: [], next: 'same' }));
    await assert.rejects(endless.all('/v1/x'), fails('CLI_BAD_ANSWER', /repeats/));
  });

  it('puts names into paths so that they stay names', () => {
    assert.equal(
      path`/v1/persons/${'a/../b?c#d é'}/disable`,
      '/v1/persons/a%2F..%2Fb%3Fc%23d%20%C3%A9/disable',
    );
    for (const bad of ['', '.', '..']) assert.throws(() => path`/v1/persons/${bad}`, CliError);
  });
});
