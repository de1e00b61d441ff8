import type { Socket } from 'node:net';
import { PosternError } from '../../core/errors.ts';
import { nowMicros, rfc3339 } from '../../core/time.ts';
import type { GrantView } from '../../core/views.ts';
import type { Gateway, LiveSession, SessionEnd, SessionInfo } from '../contract.ts';
import { mustEnd } from '../must-end.ts';
import { SessionRecords } from '../session-records.ts';
import { Cancelling } from './cancelling.ts';
import { type DatabaseIdentity, Decider } from './decide.ts';
import { errorResponse, type NativeError } from './errors.ts';
import { Expected, Flow, type Portal, type Prepared, type Running } from './flow.ts';
import { IdleFor } from './idle-for.ts';
import { maskCounts } from './mask-results.ts';
import { Named } from './named.ts';
import { Outbox } from './outbox.ts';
import { SHOW_SEARCH_PATH } from './own-question.ts';
import { type MadeRole, OwnRole } from './own-role.ts';
import { PathWatch } from './path-watch.ts';
import type { DatabaseCatalog } from './relations.ts';
import { Requests } from './requests.ts';
import { Responses } from './responses.ts';
import type { StatementCatalogue } from './statements.ts';
import type { Upstream } from './upstream.ts';
import { FLUSH, TERMINATE, WireError } from './wire.ts';

/** How long a closing session may take to hand its last words over, in milliseconds. */
const GOODBYE_MS = 500;
/** How much the resource may still send for a client that is gone, in bytes. */
const MAX_UNDELIVERED = 1024 * 1024;

export interface SessionParts {
  readonly gateway: Gateway;
  readonly who: DatabaseIdentity;
  readonly client: Socket;
  /** Bytes that the client sent behind its start-up. */
  readonly rest: Buffer;
  readonly upstream: Upstream;
  readonly catalog: DatabaseCatalog;
  readonly statements: StatementCatalogue;
  /** Value of `search_path` at the start. */
  readonly searchPath: string;
  /** Its role in the database; null where it is the fixed upstream user. */
  readonly roles: MadeRole | null;
  readonly onEnd: () => void;
}

/** One authenticated connection: a client socket and its own upstream connection, for as long as the grants hold. */
export class PgSession implements LiveSession {
  readonly gateway: Gateway;
  readonly who: DatabaseIdentity;
  readonly flow: Flow;
  readonly decider: Decider;
  readonly records: SessionRecords;
  readonly statements: StatementCatalogue;
  readonly catalog: DatabaseCatalog;
  readonly outbox: Outbox;
  readonly pathWatch: PathWatch;
  ended = false;
  readonly #client: Socket;
  readonly #upstream: Upstream;
  readonly #requests: Requests;
  readonly #responses: Responses;
  readonly #onEnd: () => void;
  readonly #role: OwnRole | null;
  readonly #startedMicros = nowMicros();
  readonly #used = new Set<string>();
  #lastGrant = '';
  #commands = 0;
  #denied = 0;
  /** The client has said goodbye or is gone; what it said before may still be waiting to be handled. */
  #gone = false;
  /** The resource has been told that the client is gone. */
  leaving = false;
  /** A question of Postern's own waits for the end of a message of the client. */
  #askLater = false;
  #undelivered = 0;
  /** When the last command ended. */
  #outcomeMicros = 0;
  readonly #idleFor = new IdleFor(this);
  readonly #cancelling: Cancelling;

  constructor(parts: SessionParts) {
    const { gateway, who, client, upstream } = parts;
    this.gateway = gateway;
    this.who = who;
    this.statements = parts.statements;
    this.catalog = parts.catalog;
    this.records = new SessionRecords(who, 'postgres');
    // DEALLOCATE ALL and DISCARD ALL leave the unnamed statement.
    this.flow = new Flow(new Named<Prepared>(''), new Named<Portal>());
    this.decider = new Decider(who, gateway.directory, parts.catalog, parts.searchPath, gateway.maskKey);
    this.outbox = new Outbox(upstream.socket, gateway.recorder, who.resource.durability, () =>
      this.updateFlowControl(),
    );
    this.pathWatch = new PathWatch(this.decider, upstream.parameters.has('search_path'), () =>
      this.#askForPath(),
    );
    this.#onEnd = parts.onEnd;
    this.#role = parts.roles === null ? null : new OwnRole(parts.roles, this);
    this.#client = client;
    this.#upstream = upstream;
    this.#cancelling = new Cancelling(who, upstream.cancelKey, gateway.limits.upstreamMs);
    this.#requests = new Requests(this, parts.rest, gateway.limits.messageBytes);
    this.#responses = new Responses(this, upstream.reader);
  }

  get id(): string {
    return this.who.session;
  }

  /** Begins to relay; the client has been told that it may. */
  start(): void {
    const client = this.#client;
    const upstream = this.#upstream.socket;
    client.on('data', (chunk: Buffer) => this.#requests.onData(chunk));
    client.on('drain', () => upstream.resume());
    client.on('error', () => this.clientLeft());
    client.on('end', () => this.clientLeft());
    client.on('close', () => this.clientLeft());
    upstream.on('data', (chunk: Buffer) => this.#responses.onData(chunk));
    upstream.on('drain', () => this.updateFlowControl());
    upstream.on('error', () => this.#upstreamLeft());
    upstream.on('close', () => this.#upstreamLeft());
    upstream.resume();
    client.resume();
    this.#responses.onData(Buffer.alloc(0));
    this.#requests.run();
    // It may have said all it had to say while the resource was being connected.
    if (client.readableEnded) this.clientLeft();
  }

  /** Stops reading from the client while a message of it waits, or while the resource does not take more. */
  updateFlowControl(): void {
    if (this.ended) return;
    if (this.#requests.suspended || this.#upstream.socket.writableNeedDrain) this.#client.pause();
    else this.#client.resume();
  }

  toClient(bytes: Buffer): void {
    if (this.#client.destroyed || !this.#client.writable) {
      // Nobody reads a long result any more: let the server notice, as it would without a gateway.
      this.#undelivered += bytes.length;
      if (this.#undelivered > MAX_UNDELIVERED) this.#upstream.socket.destroy();
      return;
    }
    if (!this.#client.write(bytes)) this.#upstream.socket.pause();
  }

  /** A command is on its way under `grant`. */
  ran(grant: GrantView): void {
    this.#commands += 1;
    if (grant.id === this.#lastGrant) return;
    this.#lastGrant = grant.id;
    this.#used.add(grant.id);
  }

  denied(): void {
    this.#denied += 1;
  }

  outcome(
    running: Running,
    status: 'ok' | 'error' | 'skipped' | 'unknown',
    code: string,
    micros: number,
  ): void {
    if (!running.open) return;
    running.open = false;
    this.#outcomeMicros = micros;
    const { id, startedMicros, rows, bytes } = running;
    const record = this.records.outcome(
      id,
      micros,
      status,
      code,
      rows,
      bytes,
      micros - startedMicros,
      maskCounts(running.cells),
      running.digest === null || bytes === 0 ? null : running.digest.digest('hex'),
    );
    this.gateway.recorder.append(record);
  }

  /** Of the portals that were bound but not executed, all but `keep` are gone: nothing will execute them. */
  neverExecuted(keep: number, micros: number): void {
    const { bound } = this.flow;
    for (const running of bound) {
      if (bound.size <= keep) return;
      bound.delete(running);
      this.outcome(running, 'skipped', '', micros);
    }
  }

  /** The resource reported a setting. */
  reported(name: string, value: string): void {
    if (name === 'search_path') this.pathWatch.isNow(value);
    const changed =
      (name === 'client_encoding' && value !== 'UTF8' && value !== 'UNICODE') ||
      (name === 'standard_conforming_strings' && value !== 'on');
    if (!changed) return;
    // With another encoding or other string rules, the text that was examined is not the text that runs.
    throw new WireError(`the resource set ${name} to ${value}, under which statements cannot be examined`);
  }

  /** Reads the names of the database, for a decision that needs them. */
  async readNames(): Promise<void> {
    await this.catalog.read();
    await this.#role?.namesRead();
  }

  clientFault(error: unknown): void {
    if (error instanceof WireError) {
      this.fail(
        { severity: 'FATAL', code: 'POSTERN_PROTOCOL_VIOLATION', message: error.message },
        'protocol violation',
      );
    } else if (error instanceof PosternError) {
      this.fail({ severity: 'FATAL', code: error.code, message: error.message, hint: error.hint }, 'error');
    } else {
      this.#unexpected(error);
    }
  }

  upstreamFault(error: unknown): void {
    if (!(error instanceof WireError)) {
      this.#unexpected(error);
      return;
    }
    const message = `the resource sent ${error.message}`;
    this.fail({ severity: 'FATAL', code: 'POSTERN_UPSTREAM_UNAVAILABLE', message }, 'upstream fault');
  }

  #unexpected(error: unknown): void {
    console.error(`postern: session ${this.id}:`, error);
    this.fail({ severity: 'FATAL', code: 'POSTERN_INTERNAL', message: 'a fault of the gateway' }, 'error');
  }

  /** The client said goodbye or vanished: what it sent before still runs, as it would without a gateway. */
  clientLeft(): void {
    if (this.ended || this.leaving) return;
    this.#gone = true;
    // Nobody reads any more, so nobody says when to go on.
    this.#upstream.socket.resume();
    if (this.#requests.suspended) return;
    this.leaving = true;
    if (this.#requests.midMessage) {
      // Nothing can be said in the middle of a message, but that there will be no more.
      this.#upstream.socket.end();
      return;
    }
    this.outbox.add(TERMINATE);
    this.outbox.flush();
  }

  #askForPath(): void {
    if (this.#requests.midMessage) {
      this.#askLater = true;
      return;
    }
    this.flow.expected.push(new Expected('internal'));
    this.#upstream.own.asked += 1;
    this.outbox.add(SHOW_SEARCH_PATH);
  }

  /** A message of the client that came in pieces is complete. */
  messageEnded(): void {
    if (!this.#askLater) return;
    this.#askLater = false;
    this.#askForPath();
  }

  /** Everything that has come from the client has been handled. */
  inputHandled(): void {
    if (this.#gone) this.clientLeft();
  }

  #upstreamLeft(): void {
    if (this.ended) return;
    if (!this.#gone && !this.#responses.fatal && this.#responses.atBoundary()) {
      const message = 'the resource closed the connection';
      this.toClient(errorResponse({ severity: 'FATAL', code: 'POSTERN_UPSTREAM_UNAVAILABLE', message }));
    }
    this.#finish(this.#gone ? 'client' : 'upstream');
  }

  recheck(changed: boolean): void {
    if (this.ended) return;
    if (changed) this.decider.grantsChanged();
    this.#role?.recheck(changed);
    const now = Date.now();
    const { directory } = this.gateway;
    const why =
      mustEnd(directory, this.who, this.decider.grants, this.#used, now) ?? this.#idleFor.tooLong(now);
    if (why !== null) this.end(why);
    else if (this.flow.expected[0]?.running?.limits?.overdue(this.#runsSince(), now) === true) this.cancel();
  }

  /** When the command that is being answered began to run, in milliseconds: those behind it wait. */
  #runsSince(): number {
    const started = this.flow.expected[0]?.running?.startedMicros ?? 0;
    return Math.max(started, this.#outcomeMicros) / 1000;
  }

  /** Grows with whatever the client does. */
  get statementsSeen(): number {
    return this.#commands + this.#denied;
  }

  /** The grants that it stands under: those that it has used, or all while it has used none. */
  standsUnder(nowMs: number): readonly GrantView[] {
    const active = this.decider.active(nowMs);
    return this.#used.size === 0 ? active : active.filter((grant) => this.#used.has(grant.id));
  }

  idle(): boolean {
    return this.flow.status === 'I' && this.flow.expected.length === 0;
  }

  end(why: SessionEnd): void {
    this.fail({ severity: 'FATAL', code: why.code, message: why.message, hint: why.hint }, why.kind);
  }

  info(): SessionInfo {
    const { principal, resource, source } = this.who;
    return {
      id: this.id,
      principal: { id: principal.id, name: principal.name },
      resource: { id: resource.id, name: resource.name },
      source,
      startedAt: rfc3339(this.#startedMicros),
      commands: this.#commands,
      denied: this.#denied,
      grants: [...this.#used],
    };
  }

  /** Passes a cancel request of the client on to the resource. */
  cancel(): void {
    this.#cancelling.ask();
  }

  /** Ends the session at once: what runs is cancelled. */
  fail(error: NativeError, reason: string): void {
    if (this.ended) return;
    // In the middle of a message of the resource there is no place for one of Postern's: the connection is cut.
    if (this.#responses.atBoundary()) this.toClient(errorResponse(error));
    // What runs must not go on to its commit behind a closed door.
    if (!this.idle()) this.cancel();
    this.#finish(reason);
  }

  #finish(reason: string): void {
    if (this.ended) return;
    this.ended = true;
    this.outbox.close();
    const micros = nowMicros();
    for (const { running, bound } of this.flow.expected) {
      if (running !== null) this.outcome(running, 'unknown', '', micros);
      if (bound !== null) this.outcome(bound, 'unknown', '', micros);
    }
    this.neverExecuted(0, micros);
    const durationUs = micros - this.#startedMicros;
    this.gateway.recorder.append(
      this.records.closed({
        source: this.who.source,
        reason,
        durationUs,
        commands: this.#commands,
        denied: this.#denied,
      }),
    );
    this.#onEnd();
    this.gateway.closed(this);
    for (const socket of [this.#client, this.#upstream.socket]) {
      socket.removeAllListeners('data');
      socket.resume();
      socket.on('error', () => socket.destroy());
      setTimeout(() => socket.destroy(), GOODBYE_MS).unref();
    }
    this.#client.end();
    // One that the server has closed takes no last words.
    if (this.#upstream.socket.writable) this.#upstream.socket.end(this.idle() ? TERMINATE : FLUSH);
  }
}
