import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { ensureTls } from './ca.ts';

function place(context: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'postern-ca-'));
  context.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test('a client that trusts the CA file reaches the server by every name it is known by, and by no other', async (context) => {
  const tls = await ensureTls(place(context), ['gateway.example.org', '2001:DB8::1']);
  const server = createServer({ key: tls.keyPem, cert: tls.certPem }, (socket) => socket.end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const dial = async (servername: string): Promise<boolean> => {
    const options = { port, host: '127.0.0.1', ca: tls.caPem };
    const name = /^[\d.]+$|:/.test(servername) ? {} : { servername };
    const socket: TLSSocket = connect({ ...options, ...name });
    try {
      await once(socket, 'secureConnect');
      return socket.authorized;
    } catch {
      return false;
    } finally {
      socket.destroy();
    }
  };
  assert.equal(await dial('localhost'), true);
  assert.equal(await dial('127.0.0.1'), true);
  assert.equal(await dial('gateway.example.org'), true);
  assert.equal(await dial('other.example.org'), false);
  const certificate = new X509Certificate(tls.certPem);
  assert.equal(certificate.checkIP('2001:db8::1'), '2001:db8::1');
  assert.equal(certificate.checkIP('::1'), '::1');
});

test('the CA lasts ten years and may issue servers only, the server certificate 397 days at most', async (context) => {
  const dir = place(context);
  const tls = await ensureTls(dir);
  const ca = new X509Certificate(tls.caPem);
  const server = new X509Certificate(tls.certPem);
  const days = (c: X509Certificate): number => (Date.parse(c.validTo) - Date.now()) / 86_400_000;
  assert.ok(ca.ca && ca.verify(ca.publicKey));
  assert.ok(!server.ca && server.verify(ca.publicKey) && server.checkIssued(ca));
  assert.ok(days(ca) > 3650 && days(server) > 395 && days(server) <= 397);
  assert.deepEqual(server.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  for (const name of ['ca.crt', 'ca.key', 'server.crt', 'server.key']) {
    assert.equal(statSync(join(dir, 'ca', name)).mode & 0o777, 0o600);
  }
});

test('a restart keeps the certificates; a new name renews the server certificate under the same CA', async (context) => {
  const dir = place(context);
  const first = await ensureTls(dir);
  assert.deepEqual(await ensureTls(dir), first);
  const second = await ensureTls(dir, ['new.example.org']);
  assert.equal(second.caPem, first.caPem);
  assert.notEqual(second.certPem, first.certPem);
  assert.deepEqual(await ensureTls(dir), second, 'a name more does no harm');
});

test('a damaged or foreign server certificate is replaced; a damaged CA is an error, never silently a new one', async (context) => {
  const dir = place(context);
  const { caPem } = await ensureTls(dir);
  const foreign = await ensureTls(place(context));
  for (const [name, content] of [
    ['server.crt', 'junk'],
    ['server.key', 'junk'],
    ['server.crt', foreign.certPem],
    ['server.key', foreign.keyPem],
  ] as const) {
    writeFileSync(join(dir, 'ca', name), content);
    const renewed = await ensureTls(dir);
    assert.equal(renewed.caPem, caPem);
    assert.ok(new X509Certificate(renewed.certPem).verify(new X509Certificate(caPem).publicKey));
  }
  for (const key of ['junk', foreign.keyPem]) {
    writeFileSync(join(dir, 'ca', 'ca.key'), key);
    await assert.rejects(ensureTls(dir), { code: 'POSTERN_INVALID' });
  }
  assert.equal(readFileSync(join(dir, 'ca', 'ca.crt'), 'utf8'), caPem);
});

test('what is no name is refused', async (context) => {
  const dir = place(context);
  for (const name of ['', 'a b', 'x,y', '*', 'http://x', 'a..b', 'DNS:evil']) {
    await assert.rejects(ensureTls(dir, [name]), { code: 'POSTERN_INVALID' });
  }
});
