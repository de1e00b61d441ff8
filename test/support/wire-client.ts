/** A PostgreSQL client of bare messages, for tests that say what no driver would say. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { clientProof, scramKeys } from '../../src/core/scram.ts';
import {
  cstring,
  errorFields,
  Front,
  int16,
  int32,
  message,
  SSL_REQUEST_PACKET,
  startup,
} from '../../src/protocols/postgres/wire.ts';

/** Messages of a client, each as its bytes. */
export const say = {
  query: (text: string | Buffer): Buffer => message(Front.query, zero(text)),
  parse: (name: string | Buffer, text: string | Buffer, types: readonly number[] = []): Buffer =>
    message(Front.parse, zero(name), zero(text), int16(types.length), ...types.map(int32)),
  bind: (
    portal: string | Buffer,
    statement: string | Buffer,
    values: readonly (string | Buffer | null)[] = [],
  ): Buffer =>
    message(
      Front.bind,
      zero(portal),
      zero(statement),
      int16(0),
      int16(values.length),
      ...values.flatMap((value) =>
        value === null ? [int32(-1)] : [int32(Buffer.byteLength(value)), Buffer.from(value)],
      ),
      int16(0),
    ),
  describe: (kind: 'S' | 'P', name: string): Buffer =>
    message(Front.describe, Buffer.from(kind), cstring(name)),
  execute: (portal: string, rows = 0): Buffer => message(Front.execute, cstring(portal), int32(rows)),
  close: (kind: 'S' | 'P', name: string): Buffer => message(Front.close, Buffer.from(kind), cstring(name)),
  sync: (): Buffer => message(Front.sync),
  flush: (): Buffer => message(Front.flush),
  copyData: (text: string | Buffer): Buffer => message(Front.copyData, Buffer.from(text)),
  copyDone: (): Buffer => message(Front.copyDone),
  copyFail: (text: string): Buffer => message(Front.copyFail, cstring(text)),
  terminate: (): Buffer => message(Front.terminate),
};

function zero(text: string | Buffer): Buffer {
  return Buffer.concat([Buffer.from(text), Buffer.alloc(1)]);
}

export interface Heard {
  readonly type: string;
  /** The whole message, header included. */
  readonly bytes: Buffer;
}

/** What can be said of a message without its data: `E 42501`, `Z I`, `C SELECT 1`, else the type. */
export function brief({ type, bytes }: Heard): string {
  if (type === 'E' || type === 'N') return `${type} ${errorFields(bytes, 0, bytes.length).get('C')}`;
  if (type === 'Z') return `Z ${bytes.toString('latin1', 5, 6)}`;
  if (type === 'C') return `C ${bytes.toString('latin1', 5, bytes.length - 1)}`;
  return type;
}

export interface Door {
  readonly host: string;
  readonly port: number;
  /** Authority to trust; without it the connection is not encrypted. */
  readonly ca?: string;
  /** TLS from the first byte, without asking. */
  readonly direct?: boolean;
  /** What else of TLS: a client's certificate, ALPN. */
  readonly tls?: ConnectionOptions;
}

/** One connection, with everything that came from the other side. */
export class WireClient {
  readonly socket: Socket;
  readonly heard: Heard[] = [];
  closed = false;
  #rest: Buffer = Buffer.alloc(0);
  #changed: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  /** Connects, and encrypts where `ca` is given; nothing has been said inside yet. */
  static async open(door: Door): Promise<WireClient> {
    const raw = connectTcp({ host: door.host, port: door.port, noDelay: true });
    raw.on('error', () => raw.destroy());
    await once(raw, 'connect');
    if (door.ca === undefined) return new WireClient(raw);
    if (door.direct !== true) {
      raw.write(SSL_REQUEST_PACKET);
      await once(raw, 'data');
    }
    const secure = connectTls({
      socket: raw,
      ca: door.ca,
      host: 'localhost',
      servername: 'localhost',
      checkServerIdentity: () => undefined,
      ...(door.direct === true ? { ALPNProtocols: ['postgresql'] } : {}),
      ...door.tls,
    });
    await once(secure, 'secureConnect');
    return new WireClient(secure);
  }

  /** Connects and logs in. @throws Error with what the server said, when it refuses */
  static async login(
    door: Door,
    who: { readonly username: string; readonly password: string },
    database: string,
    parameters: readonly (readonly [string, string])[] = [],
    timeoutMs = 10_000,
  ): Promise<WireClient> {
    return WireClient.start(await WireClient.open(door), who, database, parameters, timeoutMs);
  }

  /** Logs in on a connection that is open. @throws Error with what the server said, when it refuses */
  static async start(
    client: WireClient,
    who: { readonly username: string; readonly password: string },
    database: string,
    parameters: readonly (readonly [string, string])[] = [],
    timeoutMs = 10_000,
  ): Promise<WireClient> {
    client.send(startup([['user', who.username], ['database', database], ...parameters]));
    await client.prove(who.password, timeoutMs);
    await client.until((heard) => heard.at(-1)?.type === 'Z' || heard.at(-1)?.type === 'E', timeoutMs);
    const last = client.heard.at(-1) as Heard;
    if (last.type !== 'Z') throw new Error(errorText(last));
    client.heard.length = 0;
    return client;
  }

  /** The TLS of the connection. */
  get tls(): TLSSocket {
    return this.socket as TLSSocket;
  }

  /** Answers the SCRAM exchange, whose first message may be preceded by a negotiation of the version. */
  async prove(password: string, timeoutMs = 10_000): Promise<void> {
    const asked = (heard: readonly Heard[], kind: number): boolean =>
      heard.some(({ type, bytes }) => type === 'R' && bytes.readInt32BE(5) === kind);
    await this.until((heard) => asked(heard, 10) || heard.at(-1)?.type === 'E', timeoutMs);
    const nonce = randomBytes(12).toString('base64');
    this.send(saslInitial(`n,,n=,r=${nonce}`));
    await this.until((heard) => asked(heard, 11) || heard.at(-1)?.type === 'E', timeoutMs);
    const challenge = this.heard.find(({ type, bytes }) => type === 'R' && bytes.readInt32BE(5) === 11);
    if (challenge === undefined) return;
    const first = challenge.bytes.toString('utf8', 9);
    const [, both = '', salt = '', count = ''] = /^r=(.*),s=(.*),i=(\d+)$/.exec(first) ?? [];
    const keys = await scramKeys(password, Buffer.from(salt, 'base64'), Number(count));
    const bare = `c=biws,r=${both}`;
    const proof = clientProof(keys, `n=,r=${nonce},${first},${bare}`).toString('base64');
    this.send(message(Front.password, Buffer.from(`${bare},p=${proof}`)));
  }

  send(...parts: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** Waits until `condition` holds of what came; a closed connection ends the wait too. */
  async until(condition: (heard: readonly Heard[]) => boolean, timeoutMs = 10_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!condition(this.heard) && !this.closed) {
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`waited in vain after: ${this.heard.map(brief).join(', ')}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#changed.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Sends, waits for `ready` ReadyForQuery messages, and gives what came, in brief. */
  async ask(parts: readonly Buffer[], ready = 1): Promise<string[]> {
    const before = this.heard.length;
    this.send(...parts);
    await this.until(
      (heard) => heard.slice(before).filter(({ type }) => type === 'Z').length >= ready,
      15_000,
    );
    return this.heard.slice(before).map(brief);
  }

  /** The last error that came, as its fields. */
  get error(): Map<string, string> {
    const last = this.heard.findLast(({ type }) => type === 'E');
    return last === undefined ? new Map() : errorFields(last.bytes, 0, last.bytes.length);
  }

  async end(): Promise<void> {
    if (!this.closed) {
      this.socket.end(say.terminate());
      await this.until(() => this.closed);
    }
  }

  #onData(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 5) {
      const size = this.#rest.readUInt32BE(1) + 1;
      if (this.#rest.length < size) break;
      const bytes = this.#rest.subarray(0, size);
      this.heard.push({ type: String.fromCharCode(bytes[0] as number), bytes });
      this.#rest = this.#rest.subarray(size);
    }
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#changed;
    this.#changed = [];
    for (const go of waiting) go();
  }
}

/** SASLInitialResponse. */
export function saslInitial(text: string, mechanism = 'SCRAM-SHA-256'): Buffer {
  const initial = Buffer.from(text);
  return message(Front.password, cstring(mechanism), int32(initial.length), initial);
}

export function errorText({ bytes }: Heard): string {
  const fields = errorFields(bytes, 0, bytes.length);
  return `${fields.get('V')} ${fields.get('C')} ${fields.get('M')}`;
}
