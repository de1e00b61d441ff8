/** A client's connection: the requests on it, and the sessions that they belong to. */
import type { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { PosternError } from '../../core/errors.ts';
import { uuidv7 } from '../../core/ids.ts';
import type { ResourceView } from '../../core/views.ts';
import type { Gateway } from '../contract.ts';
import { askable, notYet, openGrants, Refused } from '../door.ts';
import { addressOf } from '../grant-conditions.ts';
import type { RefusalLog } from '../refusal-log.ts';
import { type Allowed, type Denied, type Doing, doingOf } from './decide.ts';
import { grpcProblem, type NativeError, problem } from './errors.ts';
import { Exchange, type Request, type Response, send } from './exchange.ts';
import { type Headers, valuesOf } from './head.ts';
import type { Identifier, Proven } from './identify.ts';
import type { RateWindows } from './rate.ts';
import { answerRaw } from './raw-answer.ts';
import { type ReadRequest, readRequest, readUpgrade } from './read-request.ts';
import type { Asked } from './scope.ts';
import { HttpSession } from './session.ts';
import { readQuery, routeOf, type Target } from './target.ts';
import type { Upstreams } from './upstream.ts';
import { Upgrade } from './websocket.ts';

/** What every connection of a worker shares. */
export interface Shared {
  readonly gateway: Gateway;
  readonly identifier: Identifier;
  readonly upstreams: Upstreams;
  readonly rates: RateWindows;
  readonly refusals: RefusalLog;
}

/** How long a connection may stand idle, or take to say what it wants, after it has been heard once, in milliseconds. */
export const IDLE_MS = 75_000;
/** Principals and services of one connection. */
const MAX_SESSIONS = 64;
/** Requests of one connection at a time. */
export const MAX_STREAMS = 100;

export class Connection {
  readonly #shared: Shared;
  readonly #socket: Socket;
  readonly source: string;
  readonly #sessions = new Map<string, HttpSession>();
  readonly #done: () => void;
  /** Requests of HTTP/1.1 in their order, the one under way first. */
  readonly #pipelined: (() => void)[] = [];
  #certificate: X509Certificate | undefined;
  #tls: string | null = null;
  #known = false;
  #requests = 0;
  #timer: NodeJS.Timeout;

  constructor(shared: Shared, socket: Socket, done: () => void) {
    this.#shared = shared;
    this.#socket = socket;
    this.#done = done;
    this.source = sourceOf(socket);
    this.#timer = setTimeout(() => socket.destroy(), shared.gateway.limits.handshakeMs);
  }

  encrypted(secure: TLSSocket): void {
    this.#tls = `${secure.getProtocol()} ${secure.getCipher().name}`;
    this.#certificate = secure.getPeerX509Certificate();
  }

  closed(): void {
    clearTimeout(this.#timer);
    for (const session of [...this.#sessions.values()]) session.close('client');
    this.#heard();
  }

  #heard(): void {
    if (this.#known) return;
    this.#known = true;
    this.#done();
  }

  #began(): void {
    this.#requests += 1;
    clearTimeout(this.#timer);
  }

  #ended(): void {
    this.#requests -= 1;
    if (this.#requests > 0 || this.#socket.destroyed) return;
    clearTimeout(this.#timer);
    // A stranger gets no more time for the next attempt than for the first.
    const ms = this.#known ? IDLE_MS : this.#shared.gateway.limits.handshakeMs;
    this.#timer = setTimeout(() => this.#socket.destroy(), ms);
  }

  unexpected(request: Request, response: Response): void {
    this.#began();
    response.once('close', () => this.#ended());
    answer(request, response, {
      code: 'POSTERN_UNSUPPORTED',
      message: 'an expectation other than 100-continue is not met here',
    });
  }

  handle(request: Request, response: Response, waits: boolean): void {
    this.#began();
    response.once('close', () => this.#ended());
    request.on('error', () => undefined);
    if (request.httpVersion !== '1.1') {
      this.#begin(request, response, waits);
      return;
    }
    // What is pipelined was meant to happen in its order.
    this.#pipelined.push(() => this.#begin(request, response, waits));
    response.once('close', () => {
      this.#pipelined.shift();
      this.#pipelined[0]?.();
    });
    if (this.#pipelined.length === 1) this.#pipelined[0]?.();
    else if (this.#pipelined.length > MAX_STREAMS) this.#socket.destroy();
  }

  #begin(request: Request, response: Response, waits: boolean): void {
    void this.#ask(request, response, waits).catch((error: unknown) =>
      answer(request, response, this.#failed(error)),
    );
  }

  /** What the client is told of an error. */
  #failed(error: unknown): NativeError {
    if (error instanceof Refused && error.principal !== undefined) {
      const { principal, resource, code, message } = error;
      this.#shared.refusals.note({ principal, resource, source: this.source, code, reason: message });
    }
    if (error instanceof PosternError) {
      const { code, message, hint } = error;
      return { code, message, hint };
    }
    console.error('postern: http:', error);
    return { code: 'POSTERN_INTERNAL', message: 'a fault of the gateway' };
  }

  /** @throws PosternError */
  async #ask(request: Request, response: Response, waits: boolean): Promise<void> {
    const read = readRequest(request);
    const prepared = await this.#prepare(read, (gone) => response.once('close', gone));
    if (response.destroyed) return;
    const { session, target, decision, seenAs } = prepared;
    if (decision.effect === 'deny') {
      this.#denied(prepared, read.method, (error) => answer(request, response, error));
      return;
    }
    const { method, headers, hasBody } = read;
    const isGrpc = read.verb === 'GRPC';
    const asking = { request, response, method, headers, target, hasBody, waits, seenAs, isGrpc };
    new Exchange(session, asking, decision).start(this.#shared.upstreams);
  }

  /**
   * Who asks, for what, and whether they may.
   *
   * @param onGone is told when the client does not wait any more
   * @throws PosternError
   */
  async #prepare(read: ReadRequest, onGone: (gone: () => void) => void): Promise<Prepared> {
    const { verb, headers } = read;
    const identified = this.#shared.identifier.identify(headers, this.#certificate, this.source);
    const proven = identified instanceof Promise ? await identified : identified;
    this.#heard();
    const { name, target, seenAs } = this.#place(read.target, read.host, proven);
    const opened = this.#session(name, proven, headers, onGone);
    const session = opened instanceof Promise ? await opened : opened;
    const [length] = valuesOf(headers, 'content-length');
    const asked: Asked = {
      verb,
      segments: target.segments,
      path: target.path,
      query: readQuery(target.search),
      header: (name) => valuesOf(headers, name),
      length: length === undefined ? null : Number(length),
    };
    const doing = doingOf(verb, routeOf(target));
    return { session, target, seenAs, doing, decision: session.decider.decide(asked, doing, Date.now()) };
  }

  /** Records a refusal, then says it: who asks about the record finds it. */
  #denied(
    { session, target, doing, decision }: Prepared,
    method: string,
    say: (error: NativeError) => void,
  ): void {
    if (decision.effect !== 'deny') return;
    const { recorder } = this.#shared.gateway;
    const record = uuidv7();
    const { code, message, hint } = decision;
    session.denied();
    recorder.append(
      session.records.denied(record, { ...doing, decision: { effect: 'deny', code, reason: message } }),
      [{ kind: 'statement', data: Buffer.from(`${method} ${target.path}${target.search}`) }],
    );
    recorder.afterWrite('process', () => say({ code, message, hint, record }));
  }

  /** The service that a request is for: by the name under which it is asked for, else by the first segment of the path. */
  #place(
    target: Target,
    host: string,
    { principal }: Proven,
  ): { name: string; target: Target; seenAs: string } {
    const scheme = this.#tls === null ? 'http' : 'https';
    const named = host.replace(/:\d+$/, '').toLowerCase();
    const fitting: ResourceView[] = [];
    for (const each of this.#shared.gateway.directory.resources())
      if (each.status === 'active' && each.http?.hosts.includes(named)) fitting.push(each);
    if (fitting.length > 1)
      throw new Refused(
        'POSTERN_RESOURCE_UNKNOWN',
        `more than one resource goes by the name ${named}`,
        principal,
      );
    const [resource] = fitting;
    if (resource !== undefined) return { name: resource.name, target, seenAs: `${scheme}://${host}` };
    if (target.origin !== null)
      throw new Refused('POSTERN_RESOURCE_UNKNOWN', `no resource goes by the name ${named}`, principal);
    const [name = '', ...segments] = target.segments;
    const rest = segments.length === 0 ? [''] : segments;
    const path = segments.length === 0 ? '/' : target.path.slice(target.path.indexOf('/', 1));
    return {
      name,
      target: { ...target, segments: rest, path },
      seenAs: `${scheme}://${host}/${name}`,
    };
  }

  #session(
    name: string,
    proven: Proven,
    headers: Headers,
    onGone: (gone: () => void) => void,
  ): HttpSession | Promise<HttpSession> {
    const { directory } = this.#shared.gateway;
    const { principal, credential } = proven;
    const key = keyOf(proven, directory.resourceByName(name)?.id);
    const known = this.#sessions.get(key);
    if (known !== undefined && !known.ended) return known;
    const hint = 'A service is asked for by one of its names, or as https://GATEWAY/RESOURCE/PATH.';
    const open = () => openGrants(directory, 'http', name, principal, credential, this.source, hint);
    try {
      return this.#opened(open().resource, proven, headers);
    } catch (error) {
      const resource = askable(error, credential, 'http');
      if (resource === null) throw error;
      return this.#askAccess(resource, proven, headers, onGone, error as Refused, open);
    }
  }

  /** Without an active grant it may ask for one, and the client be held until people have agreed. */
  async #askAccess(
    resource: ResourceView,
    proven: Proven,
    headers: Headers,
    onGone: (gone: () => void) => void,
    without: Refused,
    open: () => { readonly resource: ResourceView },
  ): Promise<HttpSession> {
    const { gateway } = this.#shared;
    const { principal, credential, proof } = proven;
    const gone = new AbortController();
    onGone(() => gone.abort());
    const ask = {
      principal: principal.id,
      resource: resource.id,
      credential: credential.id,
      source: addressOf(this.source),
      claims: proof?.claims ?? null,
    };
    const said = await gateway.askAccess(ask, gone.signal);
    if (said.outcome !== 'granted') throw notYet(said, without);
    return this.#opened(open().resource, proven, headers);
  }

  #opened(resource: ResourceView, { principal, credential, proof }: Proven, headers: Headers): HttpSession {
    const { gateway, rates } = this.#shared;
    if (!gateway.admit() || this.#sessions.size >= MAX_SESSIONS)
      throw new Refused('POSTERN_TOO_MANY_SESSIONS', 'there are too many sessions', principal, resource);
    const who = { session: uuidv7(), principal, credential, resource, source: this.source };
    const client = valuesOf(headers, 'user-agent')[0]?.slice(0, 128) ?? null;
    const key = keyOf({ principal, credential, ...(proof && { proof }) }, resource.id);
    const session = new HttpSession(gateway, who, rates, { proof, tls: this.#tls, client }, () => {
      this.#sessions.delete(key);
      // What else is said on this connection is said by somebody who has lost what it stood on.
      if (this.#sessions.size === 0 && this.#requests === 0) this.#socket.destroySoon();
    });
    this.#sessions.set(key, session);
    return session;
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#began();
    socket.once('close', () => this.#ended());
    socket.on('error', () => socket.destroy());
    void this.#askUpgrade(request, socket, head).catch((error: unknown) =>
      answerRaw(socket, this.#failed(error)),
    );
  }

  /** @throws PosternError */
  async #askUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    if (this.#pipelined.length > 0)
      throw new PosternError(
        'POSTERN_PROTOCOL_VIOLATION',
        'an upgrade comes behind an answer, not behind a request',
      );
    const read = readUpgrade(request);
    const prepared = await this.#prepare(read, (gone) => socket.once('close', gone));
    if (socket.destroyed) return;
    const { session, target, decision } = prepared;
    if (decision.effect === 'deny') this.#denied(prepared, read.method, (error) => answerRaw(socket, error));
    else
      new Upgrade(session, { socket, head, headers: read.headers, target }, decision).start(
        this.#shared.upstreams,
      );
  }
}

/** Where a client is: `address:port`. */
export const sourceOf = (socket: Socket): string =>
  `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;

/** Another token is another session, though one binding takes both: its record says what the token said. */
const keyOf = ({ credential, proof }: Proven, resource: string | undefined): string =>
  `${credential.id} ${proof?.sha256 ?? ''} ${resource}`;

interface Prepared {
  readonly session: HttpSession;
  readonly target: Target;
  readonly seenAs: string;
  readonly doing: Doing;
  readonly decision: Allowed | Denied;
}

/** Says no. What of the request has not been read is not waited for. */
function answer(request: Request, response: Response, error: NativeError): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const isGrpc = /^application\/grpc(?!-web)/i.test(request.headers['content-type'] ?? '');
  const said = isGrpc && request.httpVersion === '2.0' ? grpcProblem(error) : problem(error);
  const closes = request.httpVersion === '1.1' && !request.complete;
  send(response, closes ? { ...said, headers: [...said.headers, ['connection', 'close']] } : said);
  request.resume();
}
