/** A peer that speaks just enough PostgreSQL to be believed, and then does what no PostgreSQL does. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { proofFits, scramKeys, serverSignature } from '../../src/core/scram.ts';
import {
  Back,
  CANCEL_REQUEST,
  cstring,
  int32,
  message,
  readStartup,
  SSL_REQUEST,
} from '../../src/protocols/postgres/wire.ts';

/** One connection to the server, for a behaviour to play with. */
export interface Peer {
  readonly socket: Socket;
  /** Everything that came after the startup packet, so far. */
  received(): Buffer;
  /** The next message of the client, once it is whole. */
  message(): Promise<{ readonly type: string; readonly bytes: Buffer }>;
  /** Carries out the SCRAM exchange; `verdict` is what follows the client's proof. */
  scram(first?: (honest: string) => string): Promise<{ readonly signature: string }>;
  /** Says that authentication is done, the settings, and that it is ready. */
  ready(settings?: Readonly<Record<string, string>>): void;
}

export interface Behaviour {
  /** Answer to SSLRequest. */
  readonly encryption?: Buffer;
  /** From the startup packet on. Default: SCRAM, then ready. */
  readonly login?: (peer: Peer) => Promise<void>;
  /** When it is asked for the names of its relations. Default: it has none. */
  readonly names?: (peer: Peer) => Promise<void>;
  /** At a cancel request. Default: the connection ends. */
  readonly cancel?: (socket: Socket) => void;
  /** After ReadyForQuery, at the first message of the client. */
  readonly session?: (peer: Peer) => Promise<void> | void;
}

export const auth = (kind: number, ...body: Buffer[]): Buffer =>
  message(Back.authentication, int32(kind), ...body);

/** An answer without rows to a simple query. */
export const NOTHING = Buffer.concat([
  message(Back.commandComplete, cstring('SELECT 0')),
  message(Back.readyForQuery, Buffer.from('I')),
]);

export class HostileServer {
  behaviour: Behaviour = {};
  /** All bytes that any connection ever sent, to look for what must not be in them. */
  readonly heard: Buffer[] = [];
  readonly #server: Server;
  readonly #password: string;
  readonly #sockets = new Set<Socket>();

  private constructor(password: string) {
    this.#password = password;
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => this.#sockets.delete(socket));
      void this.#serve(socket);
    });
  }

  static async start(password: string): Promise<HostileServer> {
    const server = new HostileServer(password);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(socket: Socket): Promise<void> {
    const connection = new Connection(socket, this.#password, (bytes) => this.heard.push(bytes));
    const packet = await connection.startup();
    // Not before: Postern dials connections that it may need.
    const behaviour = this.behaviour;
    if (packet.code === CANCEL_REQUEST) {
      if (behaviour.cancel === undefined) socket.end();
      else behaviour.cancel(socket);
      return;
    }
    if (packet.code === SSL_REQUEST) return void socket.write(behaviour.encryption ?? Buffer.from('N'));
    const names = packet.parameters.get('application_name') === 'postern names';
    if (names || behaviour.login === undefined) {
      const { signature } = await connection.scram();
      socket.write(auth(12, Buffer.from(`v=${signature}`)));
      connection.ready();
    } else {
      await behaviour.login(connection);
    }
    if (names) {
      await connection.message();
      if (behaviour.names === undefined) socket.write(NOTHING);
      else await behaviour.names(connection);
      return;
    }
    await connection.message();
    await behaviour.session?.(connection);
  }
}

class Connection implements Peer {
  readonly socket: Socket;
  readonly #password: string;
  #input: Buffer = Buffer.alloc(0);
  #all: Buffer[] = [];
  #wake: () => void = () => undefined;

  constructor(socket: Socket, password: string, hear: (bytes: Buffer) => void) {
    this.socket = socket;
    this.#password = password;
    socket.on('data', (chunk: Buffer) => {
      hear(chunk);
      this.#all.push(chunk);
      this.#input = Buffer.concat([this.#input, chunk]);
      this.#wake();
    });
  }

  received(): Buffer {
    return Buffer.concat(this.#all);
  }

  async startup() {
    for (;;) {
      const read = readStartup(this.#input);
      if (read !== null) {
        this.#input = this.#input.subarray(read.size);
        return read.packet;
      }
      await this.#more();
    }
  }

  async message(): Promise<{ type: string; bytes: Buffer }> {
    while (this.#input.length < 5 || this.#input.length < this.#input.readUInt32BE(1) + 1) await this.#more();
    const size = this.#input.readUInt32BE(1) + 1;
    const bytes = this.#input.subarray(0, size);
    this.#input = this.#input.subarray(size);
    return { type: String.fromCharCode(bytes[0] as number), bytes };
  }

  async scram(first = (honest: string): string => honest): Promise<{ signature: string }> {
    this.socket.write(auth(10, Buffer.from('SCRAM-SHA-256\0\0')));
    const initial = (await this.message()).bytes.toString('utf8');
    const bare = initial.slice(initial.indexOf('n=,r='));
    const salt = randomBytes(16);
    const honest = `r=${bare.slice('n=,r='.length)}${randomBytes(12).toString('base64')},s=${salt.toString('base64')},i=4096`;
    const challenge = first(honest);
    this.socket.write(auth(11, Buffer.from(challenge)));
    const final = (await this.message()).bytes.toString('utf8', 5);
    const [withoutProof = '', proof = ''] = final.split(',p=');
    const keys = await scramKeys(this.#password, salt, 4096);
    const authMessage = `${bare},${challenge},${withoutProof}`;
    if (!proofFits(keys, authMessage, Buffer.from(proof, 'base64'))) throw new Error('a wrong proof');
    return { signature: serverSignature(keys, authMessage).toString('base64') };
  }

  ready(settings: Readonly<Record<string, string>> = {}): void {
    const all = {
      client_encoding: 'UTF8',
      standard_conforming_strings: 'on',
      server_version: '18.0',
      search_path: '"$user", public',
      ...settings,
    };
    this.socket.write(
      Buffer.concat([
        auth(0),
        ...Object.entries(all).map(([name, value]) =>
          message(Back.parameterStatus, cstring(name), cstring(value)),
        ),
        message(Back.backendKeyData, int32(1), int32(2)),
        message(Back.readyForQuery, Buffer.from('I')),
      ]),
    );
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
