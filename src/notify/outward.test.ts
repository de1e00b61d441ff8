import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { type TestContext, test } from 'node:test';
import { checkEndpoint, guardedLookup, post } from './outward.ts';

async function endpoint(context: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/x`;
}

const call = (url: string, reads = true, signal = new AbortController().signal) =>
  post({ url, headers: {}, body: '{}', ca: null, signal, reads });

test('an endpoint is https with a name or an address to which something may be sent', () => {
  for (const good of [
    'https://hooks.bank.example/a?b=c',
    'https://10.0.0.7/x',
    'http://127.0.0.1:80/',
    'http://[::1]/',
  ]) {
    checkEndpoint(good, 'URL');
  }
  const bad = [
    ...[
      'http://hooks.bank.example/',
      'ftp://a.example',
      'https://u:p@a.example/',
      'https://a.example/#x',
      'x',
    ],
    ...['https://169.254.169.254/latest', 'https://0.0.0.0/', 'https://[fe80::1]/', 'https://[::]/'],
    ...[
      'https://[::ffff:169.254.169.254]/',
      'https://2852039166/',
      'https://[fd00:ec2::254]/',
      'https://224.0.0.1/',
    ],
    ...['https://100.100.100.200/', `https://a.example/${'x'.repeat(2000)}`],
  ];
  for (const url of bad) assert.throws(() => checkEndpoint(url, 'URL'), { code: 'POSTERN_INVALID' }, url);
});

test('a name that leads to this machine, or to a metadata service, is not connected to', async () => {
  const reached = (name: string, host: string) =>
    new Promise((resolve) => guardedLookup(host)(name, {}, (error) => resolve(error?.message ?? 'open')));
  // As if a public name resolved to these.
  assert.match(String(await reached('localhost', 'hooks.bank.example')), /nothing is sent/);
  assert.match(String(await reached('169.254.169.254', 'hooks.bank.example')), /nothing is sent/);
  assert.match(String(await reached('::ffff:127.0.0.1', 'hooks.bank.example')), /nothing is sent/);
  assert.equal(await reached('localhost', 'localhost'), 'open');
  assert.equal(await reached('10.1.2.3', 'hooks.bank.example'), 'open');
});

test('a redirection is an answer, and leads nowhere', async (context) => {
  let asked = 0;
  const url = await endpoint(context, (_request, response) => {
    asked += 1;
    response.writeHead(307, { location: '/elsewhere' }).end();
  });
  assert.equal((await call(url)).status, 307);
  assert.equal(asked, 1);
});

test('an answer without end is cut, and one whose status is enough is not read', async (context) => {
  const url = await endpoint(context, (_request, response) => {
    response.writeHead(200);
    const more = setInterval(() => response.write('x'.repeat(8192)), 1);
    response.on('close', () => clearInterval(more));
  });
  assert.equal((await call(url)).body.length, 16_384);
  assert.equal((await call(url, false)).body, '');
});

test('an answer that is shorter than it says, or no HTTP, is a failure that names nothing of it', async (context) => {
  const liar = createTcp((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nsecret'));
  }).listen(0, '127.0.0.1');
  const talker = createTcp((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end('hunter2 hunter2\r\n\r\n'));
  }).listen(0, '127.0.0.1');
  context.after(() => {
    liar.close();
    talker.close();
  });
  for (const server of [liar, talker]) {
    if (!server.listening) await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await assert.rejects(call(`http://127.0.0.1:${port}/secret-path`), (error: Error) => {
      assert.match(error.message, /^it cannot be reached/);
      assert.doesNotMatch(error.message, /secret|hunter2|127/);
      return true;
    });
  }
});

test('a call ends when it is broken off', async (context) => {
  const url = await endpoint(context, () => undefined);
  const abort = new AbortController();
  const asked = call(url, true, abort.signal);
  setTimeout(() => abort.abort(), 20);
  await assert.rejects(asked, /it took too long/);
});
