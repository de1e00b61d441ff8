import { hostname } from 'node:os';
import { connect, rootCertificates, type TLSSocket } from 'node:tls';
import type { SinkTarget } from '../../store/entities.ts';
import { type Batch, faultOf, type Sender, type SinkEvent, SinkFault } from './batch.ts';

type Target = Extract<SinkTarget, { kind: 'syslog' }>;

/** Nobody acknowledges syslog. What was written so long before a connection broke is taken to have come. */
const SETTLE_MS = 2000;
const WARNING = 4;
const INFORMATIONAL = 6;

/**
 * Sends events as syslog over TLS, one message each.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5424#section-6
 * @see https://www.rfc-editor.org/rfc/rfc5425#section-4.3
 */
export class SyslogSender implements Sender {
  readonly settleMs: number;
  readonly #target: Target;
  readonly #key: string | null;
  readonly #host = /^[\x21-\x7e]{1,255}$/.test(hostname()) ? hostname() : '-';
  #socket: TLSSocket | null = null;
  #broken: SinkFault | null = null;

  /** @param key private key of the certificate, PEM */
  constructor(target: Target, key: string | null, settleMs: number = SETTLE_MS) {
    this.#target = target;
    this.#key = key;
    this.settleMs = settleMs;
  }

  async send({ events }: Batch, signal: AbortSignal): Promise<number> {
    const socket = this.#socket ?? (await this.#connect(signal));
    const frames = events.map((event) => frameOf(event, this.#target.facility, this.#host)).join('');
    if (frames === '') return 0;
    await written(socket, frames, signal).catch((error: unknown) => {
      socket.destroy();
      throw error;
    });
    return 0;
  }

  lost(): SinkFault | null {
    const broken = this.#broken;
    this.#broken = null;
    return broken;
  }

  async close(): Promise<void> {
    this.#socket?.destroySoon();
    this.#socket = null;
  }

  #connect(signal: AbortSignal): Promise<TLSSocket> {
    const { host, port, ca, certificate } = this.#target;
    return new Promise((resolve, reject) => {
      const socket = connect({
        host,
        port,
        ...(!/^[\d.]+$|:/.test(host) && { servername: host }),
        ca: ca === null ? [...rootCertificates] : [ca],
        minVersion: 'TLSv1.2',
        ...(certificate !== null && this.#key !== null && { cert: certificate, key: this.#key }),
      });
      const abort = (): void => void socket.destroy(new SinkFault('it did not answer in time'));
      signal.addEventListener('abort', abort, { once: true });
      let last: unknown = new SinkFault('it closed the connection');
      socket.on('error', (error) => {
        last = error;
      });
      // What it says is not looked at, but has to be read for its end to be seen.
      socket.resume();
      socket.on('end', () => socket.destroy());
      socket.on('close', () => {
        signal.removeEventListener('abort', abort);
        if (this.#socket === socket) {
          this.#socket = null;
          this.#broken = faultOf(last);
        }
        reject(last);
      });
      socket.on('secureConnect', () => {
        signal.removeEventListener('abort', abort);
        this.#socket = socket;
        resolve(socket);
      });
    });
  }
}

/** Resolves when the system has taken all of it. */
function written(socket: TLSSocket, frames: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(new SinkFault('it does not read what it is sent'));
    const closed = (): void => reject(new SinkFault('it closed the connection'));
    signal.addEventListener('abort', abort, { once: true });
    socket.once('close', closed);
    socket.write(frames, 'ascii', (error) => {
      signal.removeEventListener('abort', abort);
      socket.removeListener('close', closed);
      if (error) reject(error);
      else resolve();
    });
  });
}

/** A message with its length in front. All of it is ASCII: other characters are escaped in the JSON. */
export function frameOf({ json, time, type, refused }: SinkEvent, facility: number, host: string): string {
  const severity = refused ? WARNING : INFORMATIONAL;
  const text = json.replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
  const message = `<${facility * 8 + severity}>1 ${time} ${host} postern - ${type.slice(0, 32)} - ${text}`;
  return `${message.length} ${message}`;
}
