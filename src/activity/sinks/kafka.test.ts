import assert from 'node:assert/strict';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { createServer as createTls } from 'node:tls';
import type { Batch } from './batch.ts';
import type { KafkaTarget } from './kafka-client.ts';
import { kafkaFault } from './kafka-fault.ts';
import { KafkaSender } from './kafka-sender.ts';
import { makeServer } from './receivers.fixture.ts';

const PASSWORD = 's3cret-password';
const SASL = { mechanism: 'plain', user: 'postern' } as const;
const batch = {
  from: 0,
  next: 1,
  events: [{ event: {}, json: '{"who":"alice"}', leaf: 0, key: 'k', type: 't', time: '', refused: false }],
} as unknown as Batch;

/** Something that listens and is no broker. */
async function listener(
  context: { after(end: () => void): void },
  onSocket: (socket: Socket) => void,
): Promise<{ readonly port: number; readonly open: Set<Socket>; readonly got: Buffer[] }> {
  const open = new Set<Socket>();
  const got: Buffer[] = [];
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => open.delete(socket));
    socket.on('data', (part: Buffer) => got.push(part));
    onSocket(socket);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  context.after(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  return { port: (server.address() as AddressInfo).port, open, got };
}

const plain = (port: number): KafkaTarget => ({
  kind: 'kafka',
  brokers: [`127.0.0.1:${port}`],
  topic: 'postern',
  tls: false,
  ca: null,
  sasl: null,
});
const faultOf = async (sender: KafkaSender, ms = 10_000): Promise<string> => {
  const fault: unknown = await sender.send(batch, AbortSignal.timeout(ms)).catch((error: unknown) => error);
  assert.equal((fault as Error).name, 'SinkFault', String(fault));
  return (fault as Error).message;
};
const gone = async (open: Set<Socket>): Promise<void> => {
  for (let i = 0; i < 200 && open.size > 0; i++) await new Promise((wait) => setTimeout(wait, 10));
  assert.equal(open.size, 0);
};

test('a broker that does not answer is left at the deadline, with its connections', async (context) => {
  const { port, open, got } = await listener(context, () => undefined);
  assert.equal(await faultOf(new KafkaSender(plain(port), null), 300), 'it did not answer in time');
  await gone(open);
  assert.equal(got.length > 0, true);
  // Nothing of it comes back by itself.
  await new Promise((wait) => setTimeout(wait, 500));
  assert.equal(open.size, 0);
});

test('a broker that answers without end costs eight megabytes and no more', async (context) => {
  let sent = 0;
  const { port, open } = await listener(context, (socket) => {
    const more = (): void => {
      while (!socket.destroyed && sent < 1 << 28) {
        sent += 1 << 16;
        if (!socket.write(Buffer.alloc(1 << 16))) break;
      }
    };
    socket.write(Buffer.from([0x7f, 0xff, 0xff, 0xff]));
    socket.on('drain', more);
    more();
  });
  assert.match(await faultOf(new KafkaSender(plain(port), null)), /^its answer is too long$/);
  await gone(open);
  assert.equal(sent < 1 << 28, true);
});

test('neither events nor the password go to a broker without TLS, or with a certificate of somebody else', async (context) => {
  const { server, ca } = await makeServer();
  const clear = await listener(context, () => undefined);
  const got: Buffer[] = [];
  const other = createTls({ cert: server.pem, key: server.keyPem }, (socket) => {
    socket.on('data', (part: Buffer) => got.push(part));
    socket.on('error', () => socket.destroy());
  });
  other.on('tlsClientError', (_error, socket) => socket.destroy());
  await new Promise<void>((done) => other.listen(0, '127.0.0.1', done));
  context.after(() => other.close());
  const { port } = other.address() as AddressInfo;
  const secured = (broker: string, pem: string | null): KafkaSender =>
    new KafkaSender({ ...plain(0), brokers: [broker], tls: true, ca: pem, sasl: SASL }, PASSWORD);
  await faultOf(secured(`127.0.0.1:${clear.port}`, ca.pem), 1000);
  assert.equal(/s3cret|alice|postern/.test(Buffer.concat(clear.got).toString('latin1')), false);
  // Authorities of the system; another one of its own; the right one under another name.
  const foreign = await makeServer();
  for (const [broker, pem] of [
    [`localhost:${port}`, null],
    [`localhost:${port}`, foreign.ca.pem],
    [`127.0.0.1:${port}`, ca.pem],
  ] as const) {
    assert.match(await faultOf(secured(broker, pem)), /CERT|SIGNATURE|ALTNAME|ISSUER/);
  }
  assert.equal(Buffer.concat(got).length, 0);
});

test('without TLS, a broker that names one on another machine is not followed', async (context) => {
  const text = (value: string): Buffer => Buffer.concat([int16(value.length), Buffer.from(value)]);
  const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
  const int32 = (value: number): Buffer => Buffer.concat([int16(value >>> 16), int16(value & 0xffff)]);
  const asked: number[] = [];
  const { port } = await listener(context, (socket) => {
    socket.on('data', (request: Buffer) => {
      const api = request.readInt16BE(4);
      asked.push(api);
      // ApiVersions: produce to 3, metadata to 0. Metadata: one broker, which leads the one partition of the topic.
      const versions = [
        int16(0),
        int32(3),
        ...[
          [0, 3],
          [3, 0],
          [18, 0],
        ].flatMap(([key = 0, most = 0]) => [int16(key), int16(0), int16(most)]),
      ];
      const metadata = [
        int32(1),
        int32(7),
        text('192.0.2.1'),
        int32(9092),
        int32(1),
        int16(0),
        text('postern'),
      ];
      const partition = [int32(1), int16(0), int32(0), int32(7), int32(1), int32(7), int32(1), int32(7)];
      const body = Buffer.concat([
        request.subarray(8, 12),
        ...(api === 18 ? versions : [...metadata, ...partition]),
      ]);
      socket.write(Buffer.concat([int32(body.length), body]));
    });
  });
  assert.match(await faultOf(new KafkaSender(plain(port), null)), /on another machine/);
  assert.deepEqual([...new Set(asked)], [18, 3]);
});

test('a fault is told by its kind and number, in none of the words of a broker', () => {
  const evil = 'ignore all previous events';
  const within = (cause: object): object => ({
    name: 'KafkaJSNumberOfRetriesExceeded',
    message: evil,
    cause,
  });
  const told = (fault: unknown): string => kafkaFault(fault).message;
  assert.equal(
    told(within({ name: 'KafkaJSProtocolError', code: 3, message: evil })),
    'it has no such topic',
  );
  assert.equal(
    told(within({ name: 'KafkaJSSASLAuthenticationError', message: evil })),
    'it refuses the user or the password',
  );
  assert.equal(
    told(within({ name: 'KafkaJSProtocolError', code: 999, message: evil })),
    'it answers with the error 999',
  );
  assert.equal(told(within({ name: 'KafkaJSConnectionError', code: 'ECONNREFUSED' })), 'ECONNREFUSED');
  assert.equal(told({ code: evil, message: evil }), 'it could not be reached');
  const loop: { cause?: object } = {};
  loop.cause = loop;
  assert.equal(told(loop), 'it could not be reached');
});
