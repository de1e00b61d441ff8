import { randomBytes, timingSafeEqual } from 'node:crypto';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { PosternError } from '../../core/errors.ts';
import { clientProof, type ScramClientKeys, scramKeys, serverSignature } from '../../core/scram.ts';
import type { ResourceView } from '../../core/views.ts';
import {
  Back,
  cancelRequest,
  cstring,
  errorFields,
  FrameReader,
  int32,
  message,
  SSL_REQUEST_PACKET,
  startup,
  WireError,
} from './wire.ts';

/** A connection to the resource, authenticated and idle. */
export interface Upstream {
  readonly socket: Socket;
  /** Reader with whatever followed ReadyForQuery. */
  readonly reader: FrameReader;
  /** As reported during start-up. */
  readonly parameters: Map<string, string>;
  /** Process id and secret for a cancel request. */
  readonly cancelKey: Buffer;
  /** `TLSv1.3 TLS_AES_256_GCM_SHA384`, or null. */
  readonly tls: string | null;
}

const MAX_CONTROL_MESSAGE = 16 * 1024 * 1024;
const MAX_DATA_MESSAGE = 1024 * 1024 * 1024 + 8;
const KNOWN: ReadonlySet<number> = new Set(Object.values(Back));

/** What a server may send. Rows and COPY data stream through; everything else is held whole and so is limited. */
export const upstreamRules = {
  limit: (type: number): number =>
    !KNOWN.has(type)
      ? 0
      : type === Back.dataRow || type === Back.copyData
        ? MAX_DATA_MESSAGE
        : MAX_CONTROL_MESSAGE,
  streams: (type: number): boolean => type === Back.dataRow || type === Back.copyData,
  skips: (): boolean => false,
};

/** Messages before authentication are small; a server that claims more is lying. */
const handshakeRules = {
  limit: (type: number): number => (KNOWN.has(type) ? 64 * 1024 : 0),
  streams: (): boolean => false,
  skips: (): boolean => false,
};

/**
 * Connects to a resource, encrypts, verifies and authenticates with the injected credential.
 *
 * @param parameters startup parameters besides user and database
 * @param report called as each step is done, for `resource test`
 * @throws PosternError POSTERN_UPSTREAM_UNAVAILABLE, whose message never holds a secret
 */
export async function connectUpstream(
  resource: ResourceView,
  database: string,
  parameters: ReadonlyMap<string, string>,
  timeoutMs: number,
  report: (step: string, detail: string) => void = () => undefined,
): Promise<Upstream> {
  const deadline = Date.now() + timeoutMs;
  let raw: Socket | undefined;
  let step = 'connect';
  try {
    raw = await openTcp(resource, timeoutMs);
    report(step, `${resource.host}:${resource.port}`);
    let socket: Socket = raw;
    let tls: string | null = null;
    if (resource.tls.mode !== 'disable') {
      step = 'tls';
      const secured = await upgrade(raw, resource, deadline);
      tls = `${secured.getProtocol()} ${secured.getCipher().name}`;
      socket = secured;
      report(step, tls);
    }
    step = 'authenticate';
    const upstream = await authenticate(socket, resource, database, parameters, deadline, tls);
    report(step, `as ${resource.upstream.user}`);
    return upstream;
  } catch (error) {
    raw?.destroy();
    if (error instanceof PosternError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new PosternError(
      'POSTERN_UPSTREAM_UNAVAILABLE',
      `resource "${resource.name}": ${step} failed: ${why}`,
    );
  }
}

/** Asks a resource to cancel what the session of `key` is running. */
export async function cancelUpstream(resource: ResourceView, key: Buffer, timeoutMs: number): Promise<void> {
  const raw = await openTcp(resource, timeoutMs);
  try {
    const deadline = Date.now() + timeoutMs;
    const socket = resource.tls.mode === 'disable' ? raw : await upgrade(raw, resource, deadline);
    // The server answers by closing, in whatever way; that is when the request has been taken.
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new WireError('no answer in time')),
        Math.max(1, deadline - Date.now()),
      );
      socket.on('error', () => socket.destroy());
      socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      socket.resume();
      socket.end(cancelRequest(key));
    });
  } finally {
    raw.destroy();
  }
}

function openTcp(resource: ResourceView, timeoutMs: number): Promise<Socket> {
  const socket = connect({ host: resource.host, port: resource.port, noDelay: true, keepAlive: true });
  return within<Socket>(Date.now() + timeoutMs, socket, (resolve) =>
    socket.once('connect', () => resolve(socket)),
  );
}

async function upgrade(raw: Socket, resource: ResourceView, deadline: number): Promise<TLSSocket> {
  const answer = await within<Buffer>(deadline, raw, (resolve) => {
    raw.once('data', (chunk: Buffer) => {
      raw.pause();
      resolve(chunk);
    });
    raw.write(SSL_REQUEST_PACKET);
  });
  // Exactly one byte: anything behind it was put there before encryption.
  if (answer.length !== 1) throw new WireError('the server sent data before encryption');
  if (answer[0] !== 0x53) throw new WireError('the server does not offer TLS');
  const { mode, ca, serverName } = resource.tls;
  const name = serverName ?? resource.host;
  const verify = mode === 'verify-ca' || mode === 'verify-full';
  const socket = connectTls({
    socket: raw,
    host: name,
    ...(isIP(name) === 0 ? { servername: name } : {}),
    ...(ca === null ? {} : { ca }),
    minVersion: 'TLSv1.2',
    rejectUnauthorized: verify,
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
  });
  return within(deadline, socket, (resolve) => socket.once('secureConnect', () => resolve(socket)));
}

/** Settles with what `start` resolves, or fails on the socket's error, its end, or the deadline. */
function within<T>(
  deadline: number,
  socket: Socket,
  start: (resolve: (value: T) => void, reject: (e: Error) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      clearTimeout(timer);
      socket.off('error', fail);
      socket.off('close', closed);
    };
    const fail = (error: Error): void => {
      done();
      // A socket that failed once may fail again while it is torn down; that adds nothing.
      socket.on('error', () => undefined);
      reject(error);
    };
    const closed = (): void => fail(new WireError('the server closed the connection'));
    const timer = setTimeout(
      () => fail(new WireError('no answer in time')),
      Math.max(1, deadline - Date.now()),
    );
    socket.once('error', fail);
    socket.once('close', closed);
    start((value) => {
      done();
      resolve(value);
    }, fail);
  });
}

function authenticate(
  socket: Socket,
  resource: ResourceView,
  database: string,
  parameters: ReadonlyMap<string, string>,
  deadline: number,
  tls: string | null,
): Promise<Upstream> {
  const { user, password } = resource.upstream;
  const reader = new FrameReader(handshakeRules);
  const scram = new ScramClient(resource, password);
  const reported = new Map<string, string>();
  let cancelKey: Buffer = Buffer.alloc(8);
  let proven = false;
  let authenticated = false;

  return within<Upstream>(deadline, socket, (resolve, reject) => {
    let busy = false;
    const step = async (): Promise<void> => {
      while (reader.next()) {
        const { type, buffer, start, end } = reader;
        if (type === Back.errorResponse) {
          const fields = errorFields(buffer, start, end);
          throw new WireError(`${fields.get('M') ?? 'refused'} (SQLSTATE ${fields.get('C') ?? '?'})`);
        }
        if (type === Back.authentication) {
          if (end - start < 9) throw new WireError('a malformed authentication request');
          const kind = buffer.readInt32BE(start + 5);
          const body = buffer.toString('utf8', start + 9, end);
          if (kind === 10) {
            if (!body.split('\0').includes('SCRAM-SHA-256'))
              throw new WireError('the server does not offer SCRAM-SHA-256');
            socket.write(scram.first());
          } else if (kind === 11) {
            socket.write(await scram.final(body));
          } else if (kind === 12) {
            scram.verify(body);
            proven = true;
          } else if (kind === 0) {
            // Without the server's signature anyone could sit there.
            if (!proven) throw new WireError('the server did not prove that it knows the credential');
            authenticated = true;
          } else {
            throw new WireError('the server asks for an authentication method other than SCRAM-SHA-256');
          }
        } else if (!authenticated) {
          if (type !== Back.noticeResponse)
            throw new WireError('a message out of order during authentication');
        } else if (type === Back.parameterStatus) {
          const [name = '', value = ''] = buffer.toString('utf8', start + 5, end).split('\0');
          if (reported.size < 256) reported.set(name, value);
        } else if (type === Back.backendKeyData) {
          cancelKey = Buffer.from(buffer.subarray(start + 5, end));
        } else if (type === Back.readyForQuery) {
          socket.off('data', onData);
          socket.pause();
          const following = new FrameReader(upstreamRules);
          following.push(reader.rest());
          resolve({ socket, reader: following, parameters: reported, cancelKey, tls });
          return;
        }
      }
    };
    const onData = (chunk: Buffer): void => {
      reader.push(chunk);
      if (busy) return;
      busy = true;
      step().then(
        () => {
          busy = false;
        },
        (error: unknown) => reject(error instanceof Error ? error : new WireError(String(error))),
      );
    };
    socket.on('data', onData);
    socket.write(startup([['user', user], ['database', database], ...parameters]));
  });
}

/** Derived keys of upstream passwords: PBKDF2 costs milliseconds, and RFC 5802 lets a client keep its result. */
const derived = new Map<string, Promise<ScramClientKeys>>();
const MAX_DERIVED = 256;
const MAX_ITERATIONS = 1_000_000;

class ScramClient {
  readonly #resource: ResourceView;
  readonly #password: string;
  readonly #nonce = randomBytes(18).toString('base64');
  #expected: Buffer = Buffer.alloc(0);

  constructor(resource: ResourceView, password: string) {
    this.#resource = resource;
    this.#password = password;
  }

  first(): Buffer {
    const initial = Buffer.from(`n,,n=,r=${this.#nonce}`);
    return message(0x70, cstring('SCRAM-SHA-256'), int32(initial.length), initial);
  }

  async final(serverFirst: string): Promise<Buffer> {
    const match = /^r=([^,]+),s=([A-Za-z0-9+/=]+),i=([1-9][0-9]*)$/.exec(serverFirst);
    const [, nonce = '', salt = '', count = ''] = match ?? [];
    const iterations = Number(count);
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length)
      throw new WireError('a malformed SCRAM challenge');
    if (iterations < 4096 || iterations > MAX_ITERATIONS)
      throw new WireError(`an unacceptable SCRAM iteration count of ${count}`);
    const keys = await this.#keys(salt, iterations);
    const withoutProof = `c=biws,r=${nonce}`;
    const authMessage = `n=,r=${this.#nonce},${serverFirst},${withoutProof}`;
    this.#expected = serverSignature(keys, authMessage);
    return message(
      0x70,
      Buffer.from(`${withoutProof},p=${clientProof(keys, authMessage).toString('base64')}`),
    );
  }

  verify(serverFinal: string): void {
    const signature = Buffer.from(/^v=([A-Za-z0-9+/=]+)/.exec(serverFinal)?.[1] ?? '', 'base64');
    if (
      signature.length !== 32 ||
      this.#expected.length !== 32 ||
      !timingSafeEqual(signature, this.#expected)
    ) {
      throw new WireError('the server did not prove that it knows the credential');
    }
  }

  #keys(salt: string, iterations: number): Promise<ScramClientKeys> {
    const id = `${this.#resource.id}\n${salt}\n${iterations}\n${this.#password}`;
    let keys = derived.get(id);
    if (keys === undefined) {
      if (derived.size >= MAX_DERIVED) derived.clear();
      keys = scramKeys(this.#password, Buffer.from(salt, 'base64'), iterations);
      derived.set(id, keys);
    }
    return keys;
  }
}
