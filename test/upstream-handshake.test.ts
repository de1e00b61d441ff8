/** How Postern comes to an agreement with servers of other versions, on which a test can look from the inside. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSecureContext, TLSSocket } from 'node:tls';
import { scramKeys, scramSalt } from '../src/core/scram.ts';
import {
  type CredentialView,
  type ResourceView,
  SCRAM_ITERATIONS,
  type TlsSettings,
} from '../src/core/views.ts';
import type { Directory } from '../src/protocols/contract.ts';
import { ScramServer } from '../src/protocols/postgres/auth.ts';
import { serverEndPoint } from '../src/protocols/postgres/channel-binding.ts';
import { PROTOCOL_3_2 } from '../src/protocols/postgres/negotiation.ts';
import { SpareConnections } from '../src/protocols/postgres/spare-connections.ts';
import { connectUpstream } from '../src/protocols/postgres/upstream.ts';
import {
  Back,
  cstring,
  FrameReader,
  Front,
  int32,
  message,
  PROTOCOL_3_0,
  readStartup,
  SSL_REQUEST,
} from '../src/protocols/postgres/wire.ts';
import { makeServerCertificate, type ServerCertificate } from './support/certificates.ts';

const SECRET = Buffer.alloc(32, 1);
const rules = {
  limit: (type: number): number => (type === Front.password ? 4096 : 0),
  streams: (): boolean => false,
  skips: (): boolean => false,
};

/** A server whose ways can be chosen. It shows what it was asked. */
class Peer {
  /** What it answers to a startup packet of `version`, before authentication; null: nothing. */
  greet: (version: number) => Buffer | null = () => null;
  /** Ends the connection after the greeting. */
  hangsUp: (version: number) => boolean = () => false;
  /** Turns the offer of mechanisms into another. */
  offer: (honest: Buffer) => Buffer = (honest) => honest;
  alpn: readonly string[] = ['postgresql'];
  secretBytes = 4;
  readonly versions: number[] = [];
  readonly mechanisms: string[] = [];
  readonly firstBytes: number[] = [];
  readonly server: Server;
  readonly #tls: ServerCertificate;
  readonly #directory: Directory;
  readonly #sockets = new Set<Socket>();

  constructor(tls: ServerCertificate, directory: Directory) {
    this.#tls = tls;
    this.#directory = directory;
    this.server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => socket.destroy());
      this.#serve(socket).catch(() => socket.destroy());
    });
  }

  static async start(tls: ServerCertificate, directory: Directory): Promise<Peer> {
    const peer = new Peer(tls, directory);
    peer.server.listen(0, '127.0.0.1');
    await once(peer.server, 'listening');
    return peer;
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  reset(): void {
    this.greet = () => null;
    this.hangsUp = () => false;
    this.offer = (honest) => honest;
    this.alpn = ['postgresql'];
    this.secretBytes = 4;
    for (const list of [this.versions, this.mechanisms, this.firstBytes]) list.length = 0;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  async #serve(raw: Socket): Promise<void> {
    let [input] = (await once(raw, 'data')) as [Buffer];
    raw.pause();
    this.firstBytes.push(input[0] ?? -1);
    let socket: Socket = raw;
    let endPoint: Buffer | null = null;
    const asked = input[0] === 0 && readStartup(input)?.packet.code === SSL_REQUEST;
    if (asked || input[0] === 0x16) {
      if (asked) raw.write('S');
      else raw.unshift(input);
      const { certPem: cert, keyPem: key } = this.#tls;
      const secureContext = createSecureContext({ cert, key });
      socket = new TLSSocket(raw, {
        isServer: true,
        secureContext,
        ...(this.alpn.length === 0 ? {} : { ALPNProtocols: [...this.alpn] }),
      });
      socket.on('error', () => raw.destroy());
      endPoint = serverEndPoint(new X509Certificate(cert));
      [input] = (await once(socket, 'data')) as [Buffer];
    } else {
      raw.resume();
    }
    const packet = readStartup(input)?.packet;
    assert.ok(packet);
    this.versions.push(packet.code);
    const greeting = this.greet(packet.code);
    if (greeting !== null) socket.write(greeting);
    if (this.hangsUp(packet.code)) return void socket.end();
    const scram = new ScramServer(this.#directory, SECRET, 'app', endPoint);
    const reader = new FrameReader(rules);
    const next = async (): Promise<void> => {
      while (!reader.next()) reader.push(((await once(socket, 'data')) as [Buffer])[0]);
    };
    socket.write(this.offer(scram.offer()));
    await next();
    this.mechanisms.push(reader.buffer.toString('latin1', reader.start + 5, reader.end).split('\0')[0] ?? '');
    socket.write(scram.first(reader.buffer, reader.start, reader.end));
    await next();
    const result = scram.last(reader.buffer, reader.start, reader.end, Date.now());
    assert.ok(result.ok);
    socket.write(
      Buffer.concat([
        ...[result.final, message(Back.authentication, int32(0))],
        message(Back.backendKeyData, int32(7), Buffer.alloc(this.secretBytes, 0xab)),
        message(Back.readyForQuery, Buffer.from('I')),
      ]),
    );
  }
}

describe('the handshake with a resource', () => {
  let peer: Peer;
  let tls: ServerCertificate;
  let directory: Directory;
  before(async () => {
    tls = await makeServerCertificate();
    const keys = await scramKeys('secret', scramSalt(SECRET, 'app'), SCRAM_ITERATIONS);
    const principal = { id: 'p', name: 'app', ownerId: 'o', status: 'active', expiresAt: null } as const;
    const credential: CredentialView = {
      ...{ id: 'c', principalId: 'p', grantId: null, kind: 'password', status: 'active' },
      expiresAt: Date.now() + 600_000,
      storedKey: keys.storedKey.toString('base64'),
      serverKey: keys.serverKey.toString('base64'),
    };
    directory = {
      principalByName: () => principal,
      credentialsOf: () => [credential],
    } as unknown as Directory;
    peer = await Peer.start(tls, directory);
  });
  after(() => peer.stop());
  afterEach(() => peer.reset());

  const resourceOf = (over: Partial<TlsSettings> = {}, to = peer): ResourceView => {
    const settings = { mode: 'verify-full', ca: tls.caPem, serverName: 'localhost', negotiation: 'postgres' };
    return {
      ...{ id: 'r', name: 'r', host: '127.0.0.1', port: to.port },
      tls: { ...settings, ...over },
      upstream: { user: 'app', password: 'secret' },
    } as unknown as ResourceView;
  };
  const connect = async (
    over: Partial<TlsSettings> = {},
    to = peer,
    spares: SpareConnections | null = null,
  ) => {
    const upstream = await connectUpstream(
      ...([resourceOf(over, to), 'db', new Map(), 3000, undefined, spares] as const),
    );
    upstream.socket.destroy();
    return upstream;
  };
  /** Two connections of `peer` are ready. */
  const ready = async (over: Partial<TlsSettings> = {}): Promise<SpareConnections> => {
    const spares = new SpareConnections();
    spares.began(resourceOf(over), 3000);
    spares.began(resourceOf(over), 3000);
    const dialled = peer.firstBytes.length;
    for (let i = 0; i < 300 && peer.firstBytes.length < dialled + 2; i++) await sleep(10);
    await sleep(200);
    return spares;
  };
  const negotiate = (version: number): Buffer =>
    message(Back.negotiateProtocolVersion, int32(version), int32(0));
  const refuse = (code: string): Buffer =>
    message(Back.errorResponse, cstring('SFATAL'), cstring(`C${code}`), cstring('Mno'), Buffer.alloc(1));

  it('asks for 3.2, and takes cancel keys of up to 256 bytes', async () => {
    for (const bytes of [4, 32, 256]) {
      peer.secretBytes = bytes;
      assert.equal((await connect()).cancelKey.length, 4 + bytes);
    }
    assert.deepEqual([...new Set(peer.versions)], [PROTOCOL_3_2]);
    for (const bytes of [0, 3, 257, 5000]) {
      peer.secretBytes = bytes;
      await assert.rejects(connect(), new RegExp(`a cancel key of ${bytes} bytes`));
    }
  });

  it('takes 3.0 from a server that offers it, with its short keys and no others', async () => {
    peer.greet = () => negotiate(PROTOCOL_3_0);
    assert.equal((await connect()).cancelKey.length, 8);
    peer.secretBytes = 32;
    await assert.rejects(connect(), /a cancel key of 32 bytes/);
  });

  it('asks again for 3.0 where 3.2 is refused, once, and keeps that in mind', async () => {
    const pooler = await Peer.start(tls, directory);
    pooler.greet = (version) => (version === PROTOCOL_3_0 ? null : refuse('08P01'));
    pooler.hangsUp = (version) => version !== PROTOCOL_3_0;
    await connect({}, pooler);
    await connect({}, pooler);
    assert.deepEqual(pooler.versions, [PROTOCOL_3_2, PROTOCOL_3_0, PROTOCOL_3_0]);
    await pooler.stop();
  });

  it('does not ask again for other reasons, and for none twice', async () => {
    const pooler = await Peer.start(tls, directory);
    pooler.hangsUp = () => true;
    pooler.greet = () => refuse('28000');
    await assert.rejects(connect({}, pooler), /authenticate failed: no \(SQLSTATE 28000\)/);
    assert.deepEqual(pooler.versions, [PROTOCOL_3_2]);
    pooler.greet = () => refuse('0A000');
    await assert.rejects(connect({}, pooler), /no \(SQLSTATE 0A000\)/);
    assert.deepEqual(pooler.versions, [PROTOCOL_3_2, PROTOCOL_3_2, PROTOCOL_3_0]);
    await pooler.stop();
  });

  it('binds to the channel where the server offers it, and says so where the offer was taken out', async () => {
    await connect();
    assert.deepEqual(peer.mechanisms, ['SCRAM-SHA-256-PLUS']);
    // The server notices by the client's "you cannot" and refuses.
    peer.offer = () => message(Back.authentication, int32(10), cstring('SCRAM-SHA-256'), Buffer.alloc(1));
    await assert.rejects(connect());
    assert.deepEqual(peer.mechanisms, ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256']);
  });

  it('does not bind without TLS, even where that is offered', async () => {
    const plus = [cstring('SCRAM-SHA-256-PLUS'), cstring('SCRAM-SHA-256'), Buffer.alloc(1)];
    peer.offer = () => message(Back.authentication, int32(10), ...plus);
    await connect({ mode: 'disable' });
    assert.deepEqual(peer.mechanisms, ['SCRAM-SHA-256']);
    peer.offer = () =>
      message(Back.authentication, int32(10), cstring('SCRAM-SHA-256-PLUS'), Buffer.alloc(1));
    await assert.rejects(connect({ mode: 'disable' }), /does not offer SCRAM-SHA-256/);
  });

  it('begins with TLS where the resource asks for it, and only with a server of this protocol', async () => {
    await connect({ negotiation: 'direct' });
    assert.deepEqual(peer.firstBytes, [0x16]);
    peer.alpn = [];
    await assert.rejects(connect({ negotiation: 'direct' }), /tls failed: .*ALPN/);
    await connect();
    peer.alpn = ['http/1.1'];
    await assert.rejects(connect({ negotiation: 'direct' }), /tls failed/);
  });

  it('takes a spare connection where there is one, which is verified and bound to like any other', async () => {
    const spares = await ready();
    for (let i = 0; i < 3; i++) assert.match((await connect({}, peer, spares)).tls ?? '', /^TLSv1\.3 /);
    assert.deepEqual(peer.mechanisms, Array(3).fill('SCRAM-SHA-256-PLUS'));
    assert.equal(peer.firstBytes.length, 3, 'only the third was dialled');
    await assert.rejects(
      connect({ ca: (await makeServerCertificate()).caPem }, peer, await ready()),
      /tls failed/,
    );
  });

  it('keeps no spare connection to a server that it cannot verify', async () => {
    const { caPem: ca } = await makeServerCertificate();
    const spares = await ready({ ca });
    assert.equal(spares.take(resourceOf({ ca })), null);
    await assert.rejects(connect({ ca }, peer, spares), /tls failed/);
    assert.deepEqual(peer.versions, []);
  });

  it('dials anew where a spare connection ends without an answer, and not where the server says no', async () => {
    const spares = await ready();
    let calls = 0;
    peer.hangsUp = () => ++calls === 1;
    await connect({}, peer, spares);
    assert.equal(peer.firstBytes.length, 3);
    peer.hangsUp = () => true;
    peer.greet = () => refuse('28000');
    await assert.rejects(connect({}, peer, spares), /authenticate failed: no \(SQLSTATE 28000\)/);
    assert.equal(peer.firstBytes.length, 3);
  });

  it('is refused for messages of the exchange in another order', async () => {
    const challenge = message(Back.authentication, int32(11), Buffer.from('r=x,s=AAAA,i=4096'));
    const offer = message(Back.authentication, int32(10), cstring('SCRAM-SHA-256'), Buffer.alloc(1));
    for (const bytes of [
      challenge,
      Buffer.concat([offer, offer]),
      Buffer.concat([negotiate(PROTOCOL_3_0), negotiate(PROTOCOL_3_0)]),
      Buffer.concat([offer, negotiate(PROTOCOL_3_0)]),
      message(Back.backendKeyData, int32(1), int32(2)),
      negotiate(PROTOCOL_3_2),
      negotiate(PROTOCOL_3_0 + 9),
    ]) {
      peer.greet = () => bytes;
      await assert.rejects(connect(), /out of order|nobody asked for/);
    }
  });
});
