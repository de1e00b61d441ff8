/** What no ordinary client sends to a service: requests that two servers would read in two ways, and attempts to get past a grant. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { basic, type Credential, Service } from './support/service.ts';

describe('an attacker who speaks HTTP', () => {
  let service: Service;
  let auth: string;
  let reporter: Credential;

  before(async () => {
    service = await Service.start();
    await service.grant('GET, POST on /open/**');
    reporter = await service.credential();
    auth = basic(reporter);
  });
  after(() => service.stop());
  beforeEach(() => {
    service.handler = null;
    service.seen.length = 0;
  });

  const head = (line: string, ...more: string[]): string =>
    [
      `${line} HTTP/1.1`,
      ...(more.some((each) => /^host/i.test(each)) ? [] : ['Host: localhost']),
      `Authorization: ${auth}`,
      ...more,
    ].join('\r\n');

  it('cannot smuggle a request within or behind another', async () => {
    const hidden = `GET /accounts/secret HTTP/1.1\r\nHost: localhost\r\nX: y\r\n\r\n`;
    const post = 'POST /accounts/open/x';
    const corpus: Record<string, string> = {
      'length and chunks': `${head(post, 'Content-Length: 4', 'Transfer-Encoding: chunked')}\r\n\r\n0\r\n\r\n${hidden}`,
      'chunks and length': `${head(post, 'Transfer-Encoding: chunked', 'Content-Length: 4')}\r\n\r\n0\r\n\r\n${hidden}`,
      'two lengths': `${head(post, 'Content-Length: 0', `Content-Length: ${hidden.length}`)}\r\n\r\n${hidden}`,
      'a list of lengths': `${head(post, `Content-Length: 0, ${hidden.length}`)}\r\n\r\n${hidden}`,
      'a signed length': `${head(post, 'Content-Length: +0')}\r\n\r\n${hidden}`,
      'a hexadecimal length': `${head(post, 'Content-Length: 0x0')}\r\n\r\n${hidden}`,
      'a length with a space before the colon': `${head(post, `Content-Length : ${hidden.length}`)}\r\n\r\n${hidden}`,
      'coding with a space before the colon': `${head(post, 'Transfer-Encoding : chunked')}\r\n\r\n0\r\n\r\n${hidden}`,
      'two codings': `${head(post, 'Transfer-Encoding: chunked', 'Transfer-Encoding: identity')}\r\n\r\n0\r\n\r\n${hidden}`,
      'a list of codings': `${head(post, 'Transfer-Encoding: identity, chunked')}\r\n\r\n0\r\n\r\n${hidden}`,
      'coding xchunked': `${head(post, 'Transfer-Encoding: xchunked')}\r\n\r\n0\r\n\r\n${hidden}`,
      'coding in quotes': `${head(post, 'Transfer-Encoding: "chunked"')}\r\n\r\n0\r\n\r\n${hidden}`,
      'coding with a tab': `${head(post, 'Transfer-Encoding:\tchunked', 'Content-Length: 4')}\r\n\r\n0\r\n\r\n${hidden}`,
      'coding with a vertical tab': `${head(post, 'Transfer-Encoding: \vchunked')}\r\n\r\n0\r\n\r\n${hidden}`,
      'a folded header': `${head(post, 'Transfer-Encoding:\r\n chunked', 'Content-Length: 4')}\r\n\r\n0\r\n\r\n${hidden}`,
      'a folded header of ours': `${head(post, 'X-A: 1\r\n Content-Length: 4')}\r\n\r\n${hidden}`,
      'a bare LF between headers': `${head(post)}\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
      'bare LFs alone': `${head(post, 'Content-Length: 0').replaceAll('\r\n', '\n')}\n\n${hidden}`,
      'a bare CR in a header': `${head(post, 'X-A: 1\rTransfer-Encoding: chunked')}\r\n\r\n0\r\n\r\n${hidden}`,
      'NUL in a header': `${head(post, 'X-A: 1\0')}\r\n\r\n${hidden}`,
      'a space in a name': `${head(post, 'Content Length: 4')}\r\n\r\n${hidden}`,
      'no name': `${head(post, ': 4')}\r\n\r\n${hidden}`,
      'a chunk size that is none': `${head(post, 'Transfer-Encoding: chunked')}\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n${hidden}`,
      'a negative chunk size': `${head(post, 'Transfer-Encoding: chunked')}\r\n\r\n-1\r\nhello\r\n0\r\n\r\n${hidden}`,
      'a chunk that ends with LF': `${head(post, 'Transfer-Encoding: chunked')}\r\n\r\n5\r\nhello\n0\r\n\r\n${hidden}`,
      'a chunk size that overflows': `${head(post, 'Transfer-Encoding: chunked')}\r\n\r\n10000000000000000\r\nhello\r\n0\r\n\r\n${hidden}`,
      'a GET with a body': `${head('GET /accounts/open/x', `Content-Length: ${hidden.length}`)}\r\n\r\n${hidden}`,
      'a GET with chunks': `${head('GET /accounts/open/x', 'Transfer-Encoding: chunked')}\r\n\r\n0\r\n\r\n${hidden}`,
      'two hosts': `${head('GET /accounts/open/x', 'Host: localhost', 'Host: other')}\r\n\r\n`,
      'no host': `GET /accounts/open/x HTTP/1.1\r\nAuthorization: ${auth}\r\n\r\n`,
      'another host in the target': `${head('GET http://other/accounts/open/x')}\r\n\r\n`,
      'a host that is none': `${head('GET /accounts/open/x', 'Host: local host')}\r\n\r\n`,
      'HTTP/1.0': `GET /accounts/open/x HTTP/1.0\r\nHost: localhost\r\nAuthorization: ${auth}\r\n\r\n`,
      'HTTP/0.9': 'GET /accounts/open/x\r\n\r\n',
      'HTTP/2 in the clear within TLS': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'an upgrade to HTTP/2': `${head('GET /accounts/open/x', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA')}\r\n\r\n${hidden}`,
      'a tunnel': `CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\nProxy-Authorization: ${auth}\r\n\r\n`,
      'a header to be taken away': `${head('GET /accounts/open/x', 'Connection: close, X-Tenant', 'X-Tenant: blue')}\r\n\r\n`,
      'another method by a header': `${head(post, 'X-HTTP-Method-Override: DELETE', 'Content-Length: 0')}\r\n\r\n`,
      'another method by a parameter': `${head(`${post}?_method=DELETE`, 'Content-Length: 0')}\r\n\r\n`,
      'another path by a header': `${head('GET /accounts/open/x', 'X-Original-URL: /secret')}\r\n\r\n`,
      'a path that climbs': `${head('GET /accounts/open/../secret')}\r\n\r\n`,
      'a path that climbs, encoded': `${head('GET /accounts/open/%2e%2e/secret')}\r\n\r\n`,
      'a path that climbs out of the service': `${head('GET /accounts/../other/open/x')}\r\n\r\n`,
      'an encoded slash': `${head('GET /accounts/open%2fx')}\r\n\r\n`,
      'a parameter of a segment': `${head('GET /accounts/open/..;/secret')}\r\n\r\n`,
      'two credentials': `${head('GET /accounts/open/x', `Authorization: ${auth}`)}\r\n\r\n`,
      'a method that is none': `${head('GE\tT /accounts/open/x')}\r\n\r\n`,
      TRACE: `${head('TRACE /accounts/open/x')}\r\n\r\n`,
      'a head without end': `${head('GET /accounts/open/x', `X-A: ${'a'.repeat(40_000)}`)}\r\n\r\n`,
      'headers without end': `${head('GET /accounts/open/x', ...Array.from({ length: 3000 }, (_, index) => `X-${index}: 12345678`))}\r\n\r\n`,
    };
    for (const [name, bytes] of Object.entries(corpus)) {
      const text = await service.raw(bytes, 400);
      assert.deepEqual(
        service.seen.filter((each) => !each.startsWith('POST /open/x')),
        [],
        `${name}: ${text}`,
      );
      const statuses = [...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status));
      assert.ok(
        statuses.every((status) => status >= 400),
        `${name}: ${text}`,
      );
      assert.ok(!text.includes('upstream-secret'));
    }
    assert.equal((await service.ask(reporter, '/accounts/open/x')).status, 200);
  });

  it('gets what is pipelined answered in order, each request decided by itself', async () => {
    const text = await service.raw(
      `${head('GET /accounts/open/1')}\r\n\r\n${head('GET /accounts/secret')}\r\n\r\n${head('GET /accounts/open/2', 'Connection: close')}\r\n\r\n`,
    );
    const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
    assert.deepEqual(statuses, ['200', '403', '200']);
    assert.deepEqual(service.seen, ['GET /open/1', 'GET /open/2']);
  });

  it('gets nothing without TLS', async () => {
    const { connect } = await import('node:net');
    const text = await new Promise<string>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port: service.port });
      let said = '';
      socket.on('data', (chunk) => {
        said += chunk;
      });
      socket.on('error', () => socket.destroy());
      socket.on('close', () => resolve(said));
      socket.write(`${head('GET /accounts/open/x')}\r\n\r\n`);
    });
    assert.ok(!text.includes('HTTP'), text);
    assert.deepEqual(service.seen, []);
  });

  it('who answers for the service cannot split an answer or put words into another one', async () => {
    for (const bytes of [
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello',
      'HTTP/1.1 200 OK\r\nX: 1\nY: 2\r\nContent-Length: 5\r\n\r\nhello',
      'HTTP/9.9 200 OK\r\n\r\n',
      'nonsense',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL',
    ]) {
      service.handler = (request) => void request.socket.end(bytes);
      const first = await service
        .ask(reporter, '/accounts/open/1')
        .catch((error: Error) => ({ status: 0, text: error.message }));
      assert.ok(!first.text.includes('EVIL'), bytes);
      service.handler = null;
      const next = await service.ask(reporter, '/accounts/open/2');
      assert.equal(next.status, 200);
      assert.equal(JSON.parse(next.text).url, '/open/2', bytes);
    }
  });
});
