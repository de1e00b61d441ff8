/** A WebSocket: decided and recorded at its beginning; what is said over it passes in both directions and is counted. */
import type { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';
import { uuidv7 } from '../../core/ids.ts';
import { nowMicros } from '../../core/time.ts';
import type { Allowed } from './decide.ts';
import type { NativeError } from './errors.ts';
import { forwardedHeaders, type Headers, returnedHeaders } from './head.ts';
import { answerRaw } from './raw-answer.ts';
import { rawPairs } from './raw-headers.ts';
import type { HttpSession, Running } from './session.ts';
import type { Target } from './target.ts';
import { authorityOf, credentialHeaders, type Upstreams } from './upstream.ts';

export interface UpgradeAsking {
  readonly socket: Duplex;
  /** What the client has said already. */
  readonly head: Buffer;
  readonly headers: Headers;
  readonly target: Target;
}

const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

export class Upgrade implements Running, Dispatcher.DispatchHandler {
  readonly deadline: number | null;
  readonly #session: HttpSession;
  readonly #asking: UpgradeAsking;
  readonly #allowed: Allowed;
  readonly #id = uuidv7();
  #startedMicros = 0;
  #controller: Dispatcher.DispatchController | null = null;
  #service: Duplex | null = null;
  #received = 0;
  #sent = 0;
  #over = false;

  constructor(session: HttpSession, asking: UpgradeAsking, allowed: Allowed) {
    this.#session = session;
    this.#asking = asking;
    this.#allowed = allowed;
    this.deadline = allowed.timeoutMs === null ? null : Date.now() + allowed.timeoutMs;
  }

  /** Records the intent and, when that is written, asks the service. */
  start(upstreams: Upstreams): void {
    const { gateway, records, resource } = this.#session;
    const { socket, headers, target } = this.#asking;
    this.#startedMicros = nowMicros();
    this.#session.began(this, this.#allowed.grant.id);
    gateway.recorder.append(records.intent(this.#id, this.#startedMicros, this.#allowed.fragment), [
      { kind: 'statement', data: Buffer.from(`GET ${target.path}${target.search}`) },
    ]);
    socket.once('close', () => this.gone());
    gateway.recorder.afterWrite(resource.durability, (written) => {
      if (this.#over) return;
      if (!written) {
        const message = 'the request cannot be recorded, so it is not forwarded';
        this.#refuse({ code: 'POSTERN_AUDIT_UNAVAILABLE', message }, 'unknown', 'POSTERN_AUDIT_UNAVAILABLE');
        return;
      }
      const path = `${resource.http?.basePath ?? ''}${target.path}`;
      const signed = {
        method: 'GET',
        path,
        search: target.search,
        contentType: undefined,
        payload: EMPTY_SHA256,
      };
      const sent: [string, string][] = [
        ['host', authorityOf(resource)],
        ...forwardedHeaders(headers, resource.http?.auth ?? { kind: 'bearer' }),
        ...credentialHeaders(resource, signed),
        ['postern-record', this.#id],
      ];
      const options = {
        path: `${path}${target.search}`,
        method: 'GET',
        headers: sent.flat(),
        upgrade: 'websocket',
      };
      upstreams.pool(resource).dispatch(options, this);
    });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) controller.abort(new Error('the request is over'));
  }

  onRequestUpgrade(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: object,
    service: Duplex,
  ): void {
    if (this.#over || status !== 101) {
      service.destroy();
      if (!this.#over) this.onResponseError(null, new Error(String(status)));
      return;
    }
    this.#service = service;
    const { socket, head } = this.#asking;
    const lines = returnedHeaders(rawPairs(controller.rawHeaders)).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n${lines.join('')}\r\n`,
    );
    if (head.length > 0) {
      this.#sent += head.length;
      service.write(head);
    }
    service.on('error', () => service.destroy());
    service.on('close', () => this.gone());
    service.on('data', (chunk: Buffer) => {
      this.#received += chunk.length;
    });
    socket.on('data', (chunk: Buffer) => {
      this.#sent += chunk.length;
    });
    service.pipe(socket);
    socket.pipe(service);
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, _error: Error): void {
    const { name } = this.#session.who.resource;
    const message = `resource "${name}" does not take the WebSocket`;
    this.#refuse({ code: 'POSTERN_UPSTREAM_UNAVAILABLE', message }, 'error', 'refused');
  }

  cut(error: NativeError): void {
    this.#refuse(error, 'unknown', error.code);
    this.#controller?.abort(new Error(error.message));
  }

  /** Within a WebSocket there is no place for a word of Postern's: it is cut. */
  #refuse(error: NativeError, status: 'error' | 'unknown', code: string): void {
    if (this.#over) return;
    const { socket } = this.#asking;
    if (this.#service !== null) socket.destroy();
    else answerRaw(socket, { record: this.#id, ...error });
    this.#end(status, code);
  }

  gone(): void {
    if (this.#over) return;
    if (this.#service === null) {
      this.#end('unknown', '');
      this.#controller?.abort(new Error('the client is gone'));
    } else this.#end('ok', '101');
  }

  #end(status: 'ok' | 'error' | 'unknown', code: string): void {
    this.#over = true;
    const { gateway, records } = this.#session;
    const micros = nowMicros();
    const durationUs = micros - this.#startedMicros;
    gateway.recorder.append(
      records.outcome(this.#id, micros, status, code, 0, this.#received, durationUs, [], null, {
        bytes: this.#sent,
        sha256: null,
      }),
    );
    this.#session.over(this);
    this.#service?.destroy();
    if (this.#service !== null) this.#asking.socket.destroy();
  }
}
