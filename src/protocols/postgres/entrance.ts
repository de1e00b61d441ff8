import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import { PosternError } from '../../core/errors.ts';
import type { Gateway } from '../contract.ts';
import { serverEndPoint } from './channel-binding.ts';
import {
  CANCEL_REQUEST,
  type FrameReader,
  GSSENC_REQUEST,
  readStartup,
  SSL_REQUEST,
  type StartupPacket,
  WireError,
} from './wire.ts';

/** @see https://www.iana.org/assignments/tls-extensiontype-values/tls-extensiontype-values.xhtml#alpn-protocol-ids */
export const ALPN = 'postgresql';

/** How much of what a client sends before it may is kept, in bytes; then it is read no further. */
const KEPT_MAX = 16_384;

/** First byte of a TLS record that holds a handshake. No startup packet that is short enough begins with it. */
const TLS_HANDSHAKE = 0x16;

/**
 * A client's connection before it is a session: its bytes as they come, encryption, and the startup packet.
 *
 * @see https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-SSL
 */
export class Entrance {
  readonly #gateway: Gateway;
  #socket: Socket;
  #secure: TLSSocket | null = null;
  #context: SecureContext | null = null;
  #input: Buffer = Buffer.alloc(0);

  constructor(gateway: Gateway, socket: Socket) {
    this.#gateway = gateway;
    this.#socket = socket;
  }

  /** The innermost stream: decrypted, once the connection is encrypted. */
  get socket(): Socket {
    return this.#socket;
  }

  /** `TLSv1.3 TLS_AES_256_GCM_SHA384`, or null. */
  get tls(): string | null {
    return this.#secure === null ? null : `${this.#secure.getProtocol()} ${this.#secure.getCipher().name}`;
  }

  /** What the client showed of itself within TLS. That it holds the key has been proven; who issued it has not been looked at. */
  get certificate(): X509Certificate | undefined {
    return this.#secure?.getPeerX509Certificate();
  }

  /** What a client binds its proof to; null where there is no TLS. */
  get endPoint(): Buffer | null {
    const context = this.#context;
    if (this.#secure === null || context === null) return null;
    let endPoint = endPoints.get(context);
    if (endPoint === undefined) {
      const own = this.#secure.getX509Certificate();
      endPoint = own === undefined ? null : serverEndPoint(own);
      endPoints.set(context, endPoint);
    }
    return endPoint;
  }

  /**
   * Encrypts as the client asks, and gives its startup packet or the cancel request that it came for.
   *
   * @throws WireError, PosternError POSTERN_UNSUPPORTED, or {@link Gone}
   */
  async startup(): Promise<StartupPacket> {
    if (this.#input.length === 0) await this.#more();
    if (this.#input[0] === TLS_HANDSHAKE) await this.#encryptDirectly();
    for (let requests = 0; requests < 3; requests++) {
      let read = readStartup(this.#input);
      while (read === null) {
        await this.#more();
        read = readStartup(this.#input);
      }
      const { packet, size } = read;
      const rest = this.#input.subarray(size);
      if (packet.code === SSL_REQUEST && this.#secure === null) {
        // Bytes behind the request came in the clear and would be taken for encrypted ones (CVE-2021-23214).
        if (rest.length > 0) throw new WireError('data before encryption');
        this.#input = Buffer.alloc(0);
        this.#socket.write('S');
        await this.#encrypt();
      } else if (packet.code === GSSENC_REQUEST && this.#secure === null) {
        if (rest.length > 0) throw new WireError('data before the answer to an encryption request');
        this.#input = rest;
        this.#socket.write('N');
      } else if (packet.code === CANCEL_REQUEST || packet.code >>> 16 === 3) {
        this.#input = rest;
        return packet;
      } else {
        throw new PosternError(
          'POSTERN_UNSUPPORTED',
          `frontend protocol ${packet.code >>> 16}.${packet.minor} is not supported`,
        );
      }
    }
    throw new WireError('too many encryption requests');
  }

  /** Waits until `reader` has a whole message. */
  async next(reader: FrameReader): Promise<void> {
    reader.push(this.take());
    while (!reader.next()) {
      await this.#more();
      reader.push(this.take());
    }
  }

  /** What has come and was not looked at. */
  take(): Buffer {
    const input = this.#input;
    this.#input = Buffer.alloc(0);
    return input;
  }

  /** Gives back what was taken and is for whoever comes next. */
  putBack(rest: Buffer): void {
    this.#input = this.#input.length === 0 ? rest : Buffer.concat([rest, this.#input]);
  }

  /**
   * Calls back when the client goes away, while nothing is expected of it. What it sends meanwhile is kept.
   *
   * @returns ends the watch
   */
  watch(gone: () => void): () => void {
    const socket = this.#socket;
    const onData = (bytes: Buffer): void => {
      this.#input = Buffer.concat([this.#input, bytes]);
      if (this.#input.length > KEPT_MAX) socket.pause();
    };
    socket.on('data', onData);
    socket.once('end', gone);
    socket.once('close', gone);
    if (socket.destroyed) gone();
    socket.resume();
    return () => {
      socket.pause();
      socket.off('data', onData);
      socket.off('end', gone);
      socket.off('close', gone);
    };
  }

  async #more(): Promise<void> {
    const socket = this.#socket;
    const chunk = await new Promise<Buffer>((resolve, reject) => {
      const settle = (): void => {
        socket.off('data', onData);
        socket.off('end', onGone);
        socket.off('close', onGone);
      };
      const onData = (bytes: Buffer): void => {
        settle();
        socket.pause();
        resolve(bytes);
      };
      const onGone = (): void => {
        settle();
        reject(new Gone());
      };
      if (socket.destroyed || socket.readableEnded) {
        reject(new Gone());
        return;
      }
      socket.once('data', onData);
      // Who says nothing more before there is a session wants none, even if it would still listen.
      socket.once('end', onGone);
      socket.once('close', onGone);
      socket.resume();
    });
    this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
  }

  /**
   * TLS from the first byte, as PostgreSQL 17 and later take it. ALPN is required there: a client of another protocol that was
   * led here must not be answered (ALPACA).
   */
  async #encryptDirectly(): Promise<void> {
    this.#socket.unshift(this.take());
    const secure = await this.#encrypt();
    if (secure.alpnProtocol !== ALPN) throw new Gone();
  }

  async #encrypt(): Promise<TLSSocket> {
    const raw = this.#socket;
    this.#context = this.#gateway.tls();
    const secure = new TLSSocket(raw, {
      isServer: true,
      secureContext: this.#context,
      ALPNProtocols: [ALPN],
      // Asked for, not insisted on; what comes is judged with the startup packet, where the reason can be said.
      requestCert: true,
      rejectUnauthorized: false,
    });
    secure.on('error', () => raw.destroy());
    this.#socket = secure;
    await new Promise<void>((resolve, reject) => {
      const gone = (): void => reject(new Gone());
      for (const event of ['error', 'end', 'close']) secure.once(event, gone);
      raw.once('close', gone);
      secure.once('secure', () => {
        for (const event of ['error', 'end', 'close']) secure.off(event, gone);
        raw.off('close', gone);
        resolve();
      });
    });
    this.#secure = secure;
    return secure;
  }
}

/** Postern's own, by what its connections are encrypted with: to read its certificate costs as much as a signature. */
const endPoints = new WeakMap<SecureContext, Buffer | null>();

/** The client went away by itself, or is one that gets no answer. */
export class Gone extends Error {}
