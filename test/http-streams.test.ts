/** WebSocket, HTTP/2 and gRPC through Postern, with their own clients and servers. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type ClientHttp2Session, connect, createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { WebSocket, WebSocketServer } from 'ws';
import { basic, type Credential, Service } from './support/service.ts';

describe('streams through Postern', () => {
  let service: Service;
  let reporter: Credential;

  before(async () => {
    service = await Service.start();
    await service.grant('GET on /v1/**; POST on /up; WEBSOCKET on /ws/**');
    reporter = await service.credential();
  });
  after(() => service.stop());
  beforeEach(() => {
    service.handler = null;
    service.seen.length = 0;
  });

  const webSocket = (path: string): WebSocket =>
    new WebSocket(`wss://localhost:${service.port}${path}`, {
      ca: service.postern.caPem,
      headers: { authorization: basic(reporter) },
    });

  it('a WebSocket carries text and bytes in both directions and is recorded with what went over it', async () => {
    const server = new WebSocketServer({ server: service.upstream, path: '/ws/echo' });
    const asked: string[] = [];
    server.on('connection', (socket, request) => {
      asked.push(`${request.headers.authorization} ${request.headers['postern-record']}`);
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    });
    const client = webSocket('/accounts/ws/echo');
    await once(client, 'open');
    const big = Buffer.alloc(300_000, 7);
    for (const said of ['hello', big]) {
      client.send(said);
      const [data] = (await once(client, 'message')) as [Buffer];
      assert.ok(Buffer.from(data).equals(Buffer.from(said)));
    }
    client.close();
    await once(client, 'close');
    const [authorization = '', record] = (asked[0] ?? '').split(/ (?=[^ ]+$)/);
    assert.equal(authorization, 'Bearer upstream-secret');
    const row = await service.record(record ?? '');
    assert.deepEqual([row.verbs, row.objects, row.code], [['WEBSOCKET'], ['/ws/echo'], '101']);
    server.close();
  });

  it('a WebSocket needs its own verb: a GET on the path is not enough', async () => {
    const client = webSocket('/accounts/v1/events');
    const [error] = (await once(client, 'error')) as [Error];
    assert.match(error.message, /403/);
    assert.deepEqual(service.seen, []);
  });

  it('a WebSocket is cut when its grant ends', async () => {
    const grant = await service.grant('WEBSOCKET on /own');
    const server = new WebSocketServer({ server: service.upstream, path: '/own' });
    const client = webSocket('/accounts/own');
    await once(client, 'open');
    const closed = once(client, 'close');
    await service.postern.call('POST', `/v1/grants/${grant}/revoke`, { reason: 'a test' });
    await closed;
    server.close();
  });

  it('HTTP/2 has many requests at once on one connection, each decided by itself', async () => {
    const client = http2();
    const ask = (path: string) =>
      new Promise<{ status: number; text: string }>((resolve, reject) => {
        const stream = client.request({ ':path': path, authorization: basic(reporter) });
        let text = '';
        let status = 0;
        stream.on('response', (headers) => {
          status = Number(headers[':status']);
        });
        stream.on('data', (chunk) => {
          text += chunk;
        });
        stream.on('end', () => resolve({ status, text }));
        stream.on('error', reject);
      });
    const answers = await Promise.all([
      ...Array.from({ length: 20 }, (_, index) => ask(`/accounts/v1/${index}`)),
      ask('/accounts/secret'),
      ask('/accounts/v1/../secret'),
    ]);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [...new Array(20).fill(200), 403, 400],
    );
    assert.equal(JSON.parse(answers[3]?.text ?? '').url, '/v1/3');
    client.close();
  });

  it('HTTP/2 does not carry over what only HTTP/1.1 has', async () => {
    const client = http2();
    for (const headers of [
      { ':path': '/accounts/v1/x', 'transfer-encoding': 'chunked' },
      { ':path': '/accounts/v1/x', ':authority': 'localhost', host: 'other' },
      { ':path': '/accounts/v1/x\r\nX: y' },
      { ':method': 'CONNECT', ':authority': '127.0.0.1:22' },
    ]) {
      const outcome = await new Promise<string>((resolve) => {
        try {
          const stream = client.request({ authorization: basic(reporter), ...headers });
          stream.on('response', (given) => resolve(String(given[':status'])));
          stream.on('error', (error) => resolve(error.message));
          stream.end();
        } catch (error) {
          resolve((error as Error).message);
        }
      });
      assert.ok(!outcome.startsWith('2'), JSON.stringify(headers));
    }
    assert.deepEqual(service.seen, []);
    client.close();
  });

  it('a large body and a large answer pass without being held', async () => {
    const size = 64 * 1024 * 1024;
    const piece = Buffer.alloc(64 * 1024, 'x');
    service.handler = (request, response) => {
      const hash = createHash('sha256');
      let bytes = 0;
      request.on('data', (chunk: Buffer) => {
        hash.update(chunk);
        bytes += chunk.length;
      });
      request.on('end', () => {
        response.setHeader('x-seen', `${bytes} ${hash.digest('hex')}`);
        let left = size;
        const more = (): void => {
          while (left > 0) {
            left -= piece.length;
            if (!response.write(piece)) {
              response.once('drain', more);
              return;
            }
          }
          response.end();
        };
        more();
      });
    };
    const { request } = await import('node:https');
    const hash = createHash('sha256');
    const answer = await new Promise<{ seen: string; bytes: number }>((resolve, reject) => {
      const call = request(
        {
          ...{
            host: '127.0.0.1',
            port: service.port,
            path: '/accounts/up',
            method: 'POST',
            ca: service.postern.caPem,
          },
          ...{
            servername: 'localhost',
            agent: false,
            headers: { authorization: basic(reporter), expect: '100-continue' },
          },
        },
        (response) => {
          let bytes = 0;
          response.on('data', (chunk: Buffer) => {
            bytes += chunk.length;
          });
          response.on('end', () => resolve({ seen: String(response.headers['x-seen']), bytes }));
          response.on('error', reject);
        },
      );
      call.on('error', reject);
      call.on('continue', () => {
        let left = size;
        const more = (): void => {
          while (left > 0) {
            left -= piece.length;
            hash.update(piece);
            if (!call.write(piece)) {
              call.once('drain', more);
              return;
            }
          }
          call.end();
        };
        more();
      });
      call.flushHeaders();
    });
    assert.equal(answer.bytes, size);
    assert.equal(answer.seen, `${size} ${hash.digest('hex')}`);
  });

  const http2 = (): ClientHttp2Session =>
    connect(`https://localhost:${service.port}`, { ca: service.postern.caPem });
});

const bytes = { serialize: (value: Buffer) => value, deserialize: (value: Buffer) => value };
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/bank.v1.Accounts/${name}`,
  ...{ requestStream, responseStream },
  ...{ requestSerialize: bytes.serialize, requestDeserialize: bytes.deserialize },
  ...{ responseSerialize: bytes.serialize, responseDeserialize: bytes.deserialize },
});
const METHODS = {
  Get: method('Get', false, false),
  List: method('List', false, true),
  Sum: method('Sum', true, false),
  Chat: method('Chat', true, true),
  Fail: method('Fail', false, false),
  Drop: method('Drop', false, false),
};

describe('gRPC through Postern', () => {
  let service: Service;
  let server: grpc.Server;
  let client: grpc.Client;
  let metadata: grpc.Metadata;

  before(async () => {
    service = await Service.start();
    server = new grpc.Server();
    server.addService(METHODS, {
      Get: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
        const trailers = new grpc.Metadata();
        trailers.set('x-seen', String(call.metadata.get('authorization')[0]));
        done(null, Buffer.from(`got ${call.request}`), trailers);
      },
      List: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
        for (let index = 0; index < 100; index++) call.write(Buffer.from(`${call.request} ${index}`));
        call.end();
      },
      Sum: (call: grpc.ServerReadableStream<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
        let sum = 0;
        call.on('data', (value: Buffer) => {
          sum += Number(value.toString());
        });
        call.on('end', () => done(null, Buffer.from(String(sum))));
      },
      Chat: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
        call.on('data', (value: Buffer) => call.write(Buffer.from(`you said ${value}`)));
        call.on('end', () => call.end());
      },
      Fail: (_call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) =>
        done({ code: grpc.status.NOT_FOUND, details: 'no such account' }),
      Drop: (_call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) =>
        done(null, Buffer.alloc(0)),
    });
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    await service.resource('ledger-rpc', {
      port,
      http: { hosts: ['ledger.internal'], basePath: '', auth: { kind: 'bearer' } },
    });
    await service.grant(
      'GRPC on /bank.v1.Accounts/Get, /bank.v1.Accounts/List, /bank.v1.Accounts/Sum, /bank.v1.Accounts/Chat, /bank.v1.Accounts/Fail',
      { resource: 'ledger-rpc' },
    );
    metadata = new grpc.Metadata();
    metadata.set('authorization', basic(await service.credential()));
    client = new grpc.Client(
      `127.0.0.1:${service.port}`,
      grpc.credentials.createSsl(Buffer.from(service.postern.caPem)),
      { 'grpc.ssl_target_name_override': 'localhost', 'grpc.default_authority': 'ledger.internal' },
    );
  });
  after(async () => {
    client.close();
    server.forceShutdown();
    await service.stop();
  });

  const unary = (
    path: string,
    value: string,
  ): Promise<{ error: grpc.ServiceError | null; value: string; trailers: grpc.Metadata | undefined }> =>
    new Promise((resolve) => {
      let trailers: grpc.Metadata | undefined;
      const call = client.makeUnaryRequest(
        path,
        bytes.serialize,
        bytes.deserialize,
        Buffer.from(value),
        metadata,
        (error, answer) => setImmediate(() => resolve({ error, value: String(answer ?? ''), trailers })),
      );
      call.on('status', ({ metadata: given }) => {
        trailers = given;
      });
    });

  it('one request has one answer, with its trailers and the credential of Postern', async () => {
    const { error, value, trailers } = await unary('/bank.v1.Accounts/Get', 'a');
    assert.equal(error, null);
    assert.equal(value, 'got a');
    assert.deepEqual(trailers?.get('x-seen'), ['Bearer upstream-secret']);
  });

  it('streams of every kind pass', async () => {
    const list = client.makeServerStreamRequest(
      '/bank.v1.Accounts/List',
      bytes.serialize,
      bytes.deserialize,
      Buffer.from('n'),
      metadata,
    );
    const listed: string[] = [];
    for await (const value of list) listed.push(String(value));
    assert.equal(listed.length, 100);
    const sum = await new Promise<string>((resolve, reject) => {
      const call = client.makeClientStreamRequest(
        '/bank.v1.Accounts/Sum',
        bytes.serialize,
        bytes.deserialize,
        metadata,
        (error, value) => (error ? reject(error) : resolve(String(value))),
      );
      for (let index = 1; index <= 10; index++) call.write(Buffer.from(String(index)));
      call.end();
    });
    assert.equal(sum, '55');
    const chat = client.makeBidiStreamRequest(
      '/bank.v1.Accounts/Chat',
      bytes.serialize,
      bytes.deserialize,
      metadata,
    );
    for (const word of ['one', 'two']) {
      chat.write(Buffer.from(word));
      const [said] = (await once(chat, 'data')) as [Buffer];
      assert.equal(String(said), `you said ${word}`);
    }
    chat.end();
    await once(chat, 'end');
  });

  it('an error of the service is the client’s, and one of Postern is one of gRPC', async () => {
    const failed = await unary('/bank.v1.Accounts/Fail', '');
    assert.equal(failed.error?.code, grpc.status.NOT_FOUND);
    assert.equal(failed.error?.details, 'no such account');
    const denied = await unary('/bank.v1.Accounts/Drop', '');
    assert.equal(denied.error?.code, grpc.status.PERMISSION_DENIED);
    assert.match(
      denied.error?.details ?? '',
      /postern: no active grant covers GRPC on \/bank\.v1\.Accounts\/Drop.*record/,
    );
  });

  it('a service that breaks off is an error, and the next call finds it again', async () => {
    const held: Server = createTcpServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => held.listen(0, '127.0.0.1', resolve));
    const broken = createHttp2Server();
    broken.close();
    const { port } = held.address() as AddressInfo;
    await service.resource('broken-rpc', {
      port,
      http: { hosts: ['broken.internal'], basePath: '', auth: { kind: 'bearer' } },
    });
    await service.grant('GRPC on /**', { resource: 'broken-rpc' });
    const other = new grpc.Client(
      `127.0.0.1:${service.port}`,
      grpc.credentials.createSsl(Buffer.from(service.postern.caPem)),
      {
        'grpc.ssl_target_name_override': 'localhost',
        'grpc.default_authority': 'broken.internal',
      },
    );
    for (let turn = 0; turn < 2; turn++) {
      const error = await new Promise<grpc.ServiceError | null>((resolve) =>
        other.makeUnaryRequest(
          '/a.B/C',
          bytes.serialize,
          bytes.deserialize,
          Buffer.alloc(0),
          metadata,
          resolve,
        ),
      );
      assert.equal(error?.code, grpc.status.UNAVAILABLE, error?.message);
    }
    other.close();
    held.close();
    assert.equal((await unary('/bank.v1.Accounts/Get', 'b')).value, 'got b');
  });
});
