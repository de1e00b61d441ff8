/** Requests over HTTP/2, for what needs its streams: gRPC. It drives the same handler as a pool of HTTP/1.1 connections does. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { PosternError } from '../../core/errors.ts';
import type { ResourceView } from '../../core/views.ts';

export interface Http2Request {
  readonly path: string;
  readonly authority: string;
  readonly scheme: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Readable | null;
}

/** Opens a session, over which all requests to a service go. @throws PosternError */
export function openHttp2(
  origin: string,
  resource: ResourceView,
  tls: object,
  timeoutMs: number,
): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = connect(origin, { ...tls, settings: { enablePush: false } });
    const fail = (error: Error): void => {
      clearTimeout(timer);
      session.destroy();
      reject(error);
    };
    const timer = setTimeout(() => fail(timedOut(resource)), timeoutMs);
    session.once('error', fail);
    session.once('connect', () => {
      clearTimeout(timer);
      session.off('error', fail);
      session.on('error', () => session.destroy());
      session.on('goaway', () => session.close());
      resolve(session);
    });
  });
}

const timedOut = ({ name }: ResourceView): PosternError =>
  new PosternError('POSTERN_UPSTREAM_UNAVAILABLE', `resource "${name}" does not answer in time`);

class Controller implements Dispatcher.DispatchController {
  readonly #stream: ClientHttp2Stream;
  aborted = false;
  paused = false;
  reason: Error | null = null;
  rawHeaders: string[] = [];
  rawTrailers: string[] = [];

  constructor(stream: ClientHttp2Stream) {
    this.#stream = stream;
  }

  abort(reason: Error): void {
    this.aborted = true;
    this.reason = reason;
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  pause(): void {
    this.paused = true;
    this.#stream.pause();
  }

  resume(): void {
    this.paused = false;
    this.#stream.resume();
  }
}

/** Sends one request and tells the handler what comes of it. */
export function dispatchHttp2(
  session: ClientHttp2Session,
  { path, authority, scheme, headers, body }: Http2Request,
  handler: Dispatcher.DispatchHandler & { ends?(): void },
): void {
  const sent: Record<string, string | string[]> = {
    ':method': 'POST',
    ':path': path,
    ':authority': authority,
    ':scheme': scheme,
    te: 'trailers',
  };
  for (const [name, value] of headers) {
    if (name === 'host') continue;
    const before = sent[name];
    sent[name] = before === undefined ? value : [before, value].flat();
  }
  const stream = session.request(sent, { endStream: body === null });
  const controller = new Controller(stream);
  let failure: Error | null = null;
  let ended = false;
  stream.on('response', (_headers, flags: number, raw: string[]) => {
    controller.rawHeaders = raw.filter((_, index) => !(raw[index - (index % 2)] as string).startsWith(':'));
    if (flags & constants.NGHTTP2_FLAG_END_STREAM) handler.ends?.();
    handler.onResponseStart?.(controller, Number(_headers[':status']), {});
  });
  stream.on('trailers', (_trailers, _flags, raw: string[]) => {
    controller.rawTrailers = raw;
  });
  stream.on('data', (chunk: Buffer) => handler.onResponseData?.(controller, chunk));
  stream.on('end', () => {
    ended = true;
  });
  stream.on('error', (error: Error) => {
    failure = error;
  });
  stream.on('close', () => {
    if (ended && failure === null && stream.rstCode === constants.NGHTTP2_NO_ERROR)
      handler.onResponseEnd?.(controller, {});
    else
      handler.onResponseError?.(
        controller,
        failure ?? new Error(`the service ended the stream (${stream.rstCode})`),
      );
  });
  handler.onRequestStart?.(controller, null);
  if (body !== null) body.pipe(stream);
}
