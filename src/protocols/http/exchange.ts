/** One request and its answer: decided, recorded, then forwarded; the answer passed on as it comes. */
import { createHash, type Hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import type { Dispatcher } from 'undici';
import { uuidv7 } from '../../core/ids.ts';
import { nowMicros } from '../../core/time.ts';
import { BodyTooLarge, RequestBody } from './body.ts';
import type { Allowed } from './decide.ts';
import { type Answer, grpcProblem, type NativeError, problem } from './errors.ts';
import { forwardedHeaders, type Headers, returnedHeaders, valuesOf } from './head.ts';
import { dispatchHttp2 } from './http2-upstream.ts';
import { type AnswerMask, answerMask } from './mask.ts';
import { unencodedRequest } from './mask-headers.ts';
import { rawPairs } from './raw-headers.ts';
import type { HttpSession, Running } from './session.ts';
import type { Target } from './target.ts';
import { authorityOf, credentialHeaders, originOf, signsBody, type Upstreams } from './upstream.ts';

export type Request = IncomingMessage | Http2ServerRequest;
/** Of HTTP/2 too: what Node.js gives for it does the same under the same names. */
export type Response = ServerResponse;

/** A request as it was read. */
export interface Asking {
  readonly request: Request;
  readonly response: Response;
  readonly method: string;
  readonly headers: Headers;
  /** Without the name of the resource. */
  readonly target: Target;
  /** Whether there is a body, or may be one. */
  readonly hasBody: boolean;
  /** The client waits for 100 Continue before it sends the body. */
  readonly waits: boolean;
  /** It goes on over HTTP/2, and so do reasons why not. */
  readonly isGrpc: boolean;
  /** `scheme://authority` and, where it has one, prefix under which the client sees the service. */
  readonly seenAs: string;
}

/** Largest body that is held whole, where its digest must be known before it is sent, in bytes. */
const SIGNED_MAX = 8 * 1024 * 1024;

/** `upstream`: the service did not answer, or not to its end. */
type Ending = { readonly status: 'ok' | 'error' | 'unknown'; readonly code: string };

export class Exchange implements Running, Dispatcher.DispatchHandler {
  readonly deadline: number | null;
  readonly #session: HttpSession;
  readonly #asking: Asking;
  readonly #allowed: Allowed;
  readonly #id = uuidv7();
  readonly #body: RequestBody | null;
  readonly #digest: Hash | null;
  #startedMicros = 0;
  #controller: Dispatcher.DispatchController | null = null;
  #status = 0;
  #bytes = 0;
  #forwarded = false;
  #over = false;
  #ends = false;
  #mask: AnswerMask | null = null;
  #trailers: [string, string][] = [];

  constructor(session: HttpSession, asking: Asking, allowed: Allowed) {
    this.#session = session;
    this.#asking = asking;
    this.#allowed = allowed;
    this.deadline = allowed.timeoutMs === null ? null : Date.now() + allowed.timeoutMs;
    this.#body = asking.hasBody ? new RequestBody(allowed.maxBody) : null;
    this.#digest = session.who.resource.resultDigest ? createHash('sha256') : null;
  }

  /** Records the intent and, when that is written, forwards the request. */
  start(upstreams: Upstreams): void {
    const { gateway, records, who } = this.#session;
    const { method, target, response } = this.#asking;
    this.#startedMicros = nowMicros();
    this.#session.began(this, this.#allowed.grant.id);
    const text = `${method} ${target.path}${target.search}`;
    gateway.recorder.append(records.intent(this.#id, this.#startedMicros, this.#allowed.fragment), [
      { kind: 'statement', data: Buffer.from(text) },
    ]);
    response.once('close', () => this.gone());
    gateway.recorder.afterWrite(who.resource.durability, (written) => {
      if (this.#over) return;
      if (written) {
        this.#forwarded = true;
        void this.#forward(upstreams);
        return;
      }
      this.#refuse({
        code: 'POSTERN_AUDIT_UNAVAILABLE',
        message: 'the request cannot be recorded, so it is not forwarded',
      });
      this.#end({ status: 'unknown', code: 'POSTERN_AUDIT_UNAVAILABLE' });
    });
  }

  async #forward(upstreams: Upstreams): Promise<void> {
    const { resource } = this.#session;
    const { request, headers, method, target } = this.#asking;
    try {
      const path = `${resource.http?.basePath ?? ''}${target.path}`;
      let body: Buffer | RequestBody | null = this.#body;
      if (this.#body !== null) {
        const passed = this.#body;
        passed.on('error', (error) => this.#bodyFailed(error));
        request.on('error', (error) => passed.destroy(error));
        if (this.#asking.waits) this.#asking.response.writeContinue();
        request.pipe(passed);
        if (signsBody(resource)) body = await whole(passed);
      }
      if (this.#over) return;
      const payload = signsBody(resource) ? (this.#body?.digest() ?? EMPTY_SHA256) : null;
      const [contentType] = valuesOf(headers, 'content-type');
      const [operation] = valuesOf(headers, 'x-amz-target');
      const signed = { method, path, search: target.search, contentType, target: operation, payload };
      const forwarded = forwardedHeaders(headers, resource.http?.auth ?? { kind: 'bearer' });
      const sent: [string, string][] = [
        ['host', authorityOf(resource)],
        ...(this.#allowed.plan === null ? forwarded : unencodedRequest(method, forwarded)),
        ...credentialHeaders(resource, signed),
        ['postern-record', this.#id],
      ];
      const full = `${path}${target.search}`;
      if (this.#asking.isGrpc) {
        const connected = await upstreams.http2(resource);
        if (this.#over) return;
        const scheme = resource.tls.mode === 'disable' ? 'http' : 'https';
        const authority = authorityOf(resource);
        dispatchHttp2(connected, { path: full, authority, scheme, headers: sent, body: this.#body }, this);
        return;
      }
      const options = { path: full, method, headers: sent.flat(), body, idempotent: false };
      upstreams.pool(resource).dispatch(options, this);
    } catch (error) {
      this.onResponseError(null, error instanceof Error ? error : new Error(String(error)));
    }
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) controller.abort(new Error('the request is over'));
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200 || this.#over) return;
    this.#status = status;
    if (status === 401 || status === 407) {
      // It is Postern's credential that the service does not take, which is no business of the client's.
      const message = `resource "${this.#session.who.resource.name}" refuses the credential that Postern holds`;
      this.#refuse({ code: 'POSTERN_UPSTREAM_UNAVAILABLE', message });
      this.#end({ status: 'error', code: String(status) });
      return;
    }
    const { response, method } = this.#asking;
    try {
      const returned = returnedHeaders(rawPairs(controller.rawHeaders)).map(
        ([name, value]): [string, string] => [name, name === 'location' ? this.#located(value) : value],
      );
      const { messageBytes } = this.#session.gateway.limits;
      const mask = answerMask(this.#allowed.plan, { method, status, headers: returned }, messageBytes);
      if (mask !== null && 'refused' in mask) {
        this.#unmaskable(mask.refused);
        return;
      }
      if (mask !== null) this.#under(mask);
      response.statusCode = status;
      const shown = mask === null ? returned : mask.headers(returned);
      for (const [name, value] of Object.entries(gathered(shown))) response.setHeader(name, value);
    } catch {
      // What cannot be said again was not said in HTTP.
      this.onResponseError(controller, new Error('an answer that is none'));
      controller.abort(new Error('an answer that is none'));
      return;
    }
    // So that a stream begins for the client when it begins here; what is answered at once goes out in one piece.
    if (!this.#ends)
      setImmediate(() => {
        if (!this.#over && !response.headersSent) response.flushHeaders();
      });
  }

  /** What begins now has no body. */
  ends(): void {
    this.#ends = true;
  }

  /** From now on what comes goes through masks. */
  #under(mask: AnswerMask): void {
    this.#mask = mask;
    const output = mask.body?.output;
    output?.on('data', (chunk: Buffer) => {
      if (this.#delivered(chunk)) return;
      output.pause();
      this.#asking.response.once('drain', () => output.resume());
    });
    output?.on('error', (error) => this.#unmaskable(error.message));
    output?.on('end', () => this.#finish());
    mask.body?.input.on('drain', () => this.#controller?.resume());
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return;
    const input = this.#mask?.body?.input;
    if (input !== undefined) {
      if (!input.write(chunk)) controller.pause();
      return;
    }
    // Where masks hold and there is to be no body, there is none.
    if (this.#mask !== null || this.#delivered(chunk)) return;
    controller.pause();
    this.#asking.response.once('drain', () => controller.resume());
  }

  /** Whether the client takes more. */
  #delivered(chunk: Buffer): boolean {
    if (this.#over) return true;
    this.#bytes += chunk.length;
    this.#digest?.update(chunk);
    return this.#asking.response.write(chunk);
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (this.#over) return;
    this.#trailers = returnedHeaders(rawPairs(controller.rawTrailers));
    const input = this.#mask?.body?.input;
    if (input === undefined) this.#finish();
    else input.end();
  }

  #finish(): void {
    if (this.#over) return;
    const { response } = this.#asking;
    const trailers = this.#mask === null ? this.#trailers : this.#mask.trailers(this.#trailers);
    if (trailers.length > 0) response.addTrailers(gathered(trailers));
    response.end();
    this.#end({ status: this.#status < 400 ? 'ok' : 'error', code: String(this.#status) });
  }

  /** It has been done, and what came of it is not shown. */
  #unmaskable(why: string): void {
    if (this.#over) return;
    this.#refuse({ code: 'POSTERN_MASKED', message: why });
    this.#end({ status: 'error', code: 'POSTERN_MASKED' });
    this.#controller?.abort(new Error(why));
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#over) return;
    if (error instanceof BodyTooLarge) {
      this.#bodyFailed(error);
      return;
    }
    const { resource } = this.#session.who;
    this.#refuse({
      code: 'POSTERN_UPSTREAM_UNAVAILABLE',
      message: `resource "${resource.name}" does not answer: ${codeOf(error)}`,
    });
    this.#end({ status: this.#forwarded ? 'unknown' : 'error', code: codeOf(error) });
  }

  cut(error: NativeError): void {
    if (this.#over) return;
    this.#refuse(error);
    this.#end({ status: 'unknown', code: error.code });
    this.#controller?.abort(new Error(error.message));
  }

  #bodyFailed(error: Error): void {
    if (this.#over) return;
    if (error instanceof BodyTooLarge) {
      this.#refuse({ code: 'POSTERN_LIMIT_EXCEEDED', message: error.message, record: this.#id });
      this.#end({ status: 'error', code: 'POSTERN_LIMIT_EXCEEDED' });
    } else this.#end({ status: 'unknown', code: '' });
    this.#controller?.abort(error);
  }

  gone(): void {
    if (this.#over) return;
    this.#end({ status: 'unknown', code: '' });
    this.#controller?.abort(new Error('the client is gone'));
  }

  /** Tells the client why there is no answer of the service; where one has begun, by breaking it off. */
  #refuse(error: NativeError): void {
    const { response } = this.#asking;
    if (response.headersSent) {
      response.destroy();
      return;
    }
    // Of an answer that was about to begin nothing is left.
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    send(response, (this.#asking.isGrpc ? grpcProblem : problem)({ record: this.#id, ...error }));
  }

  #end({ status, code }: Ending): void {
    if (this.#over) return;
    this.#over = true;
    const { gateway, records } = this.#session;
    const micros = nowMicros();
    gateway.recorder.append(
      records.outcome(
        this.#id,
        micros,
        status,
        code,
        0,
        this.#bytes,
        micros - this.#startedMicros,
        this.#mask?.counts() ?? [],
        this.#bytes > 0 ? (this.#digest?.digest('hex') ?? null) : null,
        this.#body === null ? null : { bytes: this.#body.bytes, sha256: this.#body.digest() },
      ),
    );
    this.#session.over(this);
    this.#mask?.body?.input.destroy();
    this.#mask?.body?.output.destroy();
  }

  /** An address of the service as the client sees it, where it is one. */
  #located(value: string): string {
    const { resource } = this.#session.who;
    const base = resource.http?.basePath ?? '';
    const name = resource.tls.mode === 'disable' ? 'http' : 'https';
    for (const own of [originOf(resource), `${name}://${authorityOf(resource)}`, '']) {
      const from = `${own}${base}/`;
      if (value.startsWith(from) && !value.startsWith('//'))
        return `${own === '' ? new URL(this.#asking.seenAs).pathname.replace(/\/$/, '') : this.#asking.seenAs}/${value.slice(from.length)}`;
    }
    return value;
  }
}

const EMPTY_SHA256 = createHash('sha256').digest('hex');

export function send(response: Response, answer: Answer): void {
  response.statusCode = answer.status;
  for (const [name, value] of Object.entries(gathered(answer.headers))) response.setHeader(name, value);
  // With nothing but headers an answer of gRPC is one that is all trailers.
  if (answer.body === '') response.end();
  else response.end(answer.body);
}

/** What an error says that is safe to pass on: its code, which names no address. */
function codeOf(error: Error): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : 'error';
}

function gathered(pairs: readonly (readonly [string, string])[]): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = Object.create(null);
  for (const [name, value] of pairs) {
    const before = headers[name];
    headers[name] = before === undefined ? value : [before, value].flat();
  }
  return headers;
}

/** @throws BodyTooLarge */
async function whole(body: RequestBody): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body as AsyncIterable<Buffer>) {
    if (body.bytes > SIGNED_MAX) throw new BodyTooLarge(SIGNED_MAX);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
