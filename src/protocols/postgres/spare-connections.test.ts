import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ResourceView } from '../../core/views.ts';
import { SpareConnections } from './spare-connections.ts';

let server: Server;
let open: Set<Socket>;
let accepted: number;
beforeEach(async () => {
  open = new Set();
  accepted = 0;
  server = createServer((socket) => {
    accepted += 1;
    open.add(socket);
    socket.on('close', () => open.delete(socket)).on('error', () => socket.destroy());
    socket.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  for (const socket of open) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

function resource(over: object = {}): ResourceView {
  const { port } = server.address() as { port: number };
  const tls = { mode: 'disable', ca: null, serverName: null, negotiation: 'postgres' };
  return { id: 'r', host: '127.0.0.1', port, tls, ...over } as unknown as ResourceView;
}

async function until(what: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !what(); i++) await sleep(10);
  assert.ok(what());
}

/** Two sessions have begun one after the other, and the spares are there. */
async function filled(spares: SpareConnections): Promise<void> {
  spares.began(resource(), 1000);
  spares.began(resource(), 1000);
  await until(() => accepted === 2);
  // The server knows of a connection before the one who dialled does.
  await sleep(50);
}

test('a session by itself leaves nothing behind; two in a row let others be expected', async () => {
  const spares = new SpareConnections();
  spares.began(resource(), 1000);
  await sleep(50);
  assert.equal(accepted, 0);
  assert.equal(spares.take(resource()), null);
  spares.began(resource(), 1000);
  await until(() => accepted === 2);
});

test('however many sessions begin at once, no more than two are dialled for those to come', async () => {
  const spares = new SpareConnections();
  for (let i = 0; i < 100; i++) spares.began(resource(), 1000);
  await until(() => accepted === 2);
  for (let i = 0; i < 100; i++) spares.began(resource(), 1000);
  await sleep(100);
  assert.equal(accepted, 2);
});

test('each is given away once', async () => {
  const spares = new SpareConnections();
  await filled(spares);
  const [first, second, third] = [1, 2, 3].map(() => spares.take(resource()));
  assert.ok(first && second);
  assert.notEqual(first.raw, second.raw);
  assert.equal(third, null);
  for (const { raw } of [first, second]) {
    assert.ok(raw.writable);
    raw.destroy();
  }
});

test('one that the server has ended, or has said something in, is not given away', async () => {
  const spares = new SpareConnections();
  await filled(spares);
  const [one, other] = [...open] as [Socket, Socket];
  one.end();
  other.write('N');
  await until(() => open.size === 0);
  assert.equal(spares.take(resource()), null);
});

test('what led to another server, or was encrypted in another way, is closed and not used', async () => {
  for (const over of [
    { host: 'localhost' },
    { port: 1 },
    { tls: { mode: 'verify-full', ca: 'another', serverName: null, negotiation: 'postgres' } },
  ]) {
    accepted = 0;
    const spares = new SpareConnections();
    await filled(spares);
    assert.equal(spares.take(resource(over)), null);
    assert.equal(spares.take(resource()), null);
    await until(() => open.size === 0);
  }
});

test('they are closed when no session has begun for a while', async () => {
  const spares = new SpareConnections(200);
  await filled(spares);
  assert.equal(open.size, 2);
  await until(() => open.size === 0);
  assert.equal(spares.take(resource()), null);
  // And then the next session is one by itself again.
  spares.began(resource(), 1000);
  await sleep(50);
  assert.equal(accepted, 2);
});

test('a server that cannot be reached is not asked again until another session has begun', async () => {
  const spares = new SpareConnections();
  const there = resource();
  const { port } = there;
  await new Promise((resolve) => server.close(resolve));
  spares.began(there, 1000);
  spares.began(there, 1000);
  await sleep(100);
  assert.equal(spares.take(there), null);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  await sleep(100);
  assert.equal(accepted, 0);
  spares.began(there, 1000);
  await until(() => accepted === 2);
});
