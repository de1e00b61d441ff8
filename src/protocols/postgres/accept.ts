import type { Socket } from 'node:net';
import type { Attempts } from '../../core/attempts.ts';
import { type ErrorCode, PosternError } from '../../core/errors.ts';
import { uuidv7 } from '../../core/ids.ts';
import type { CredentialView, GrantView, PrincipalView, ResourceView } from '../../core/views.ts';
import type { Gateway } from '../contract.ts';
import { askable, notYet, Refused, unusable } from '../door.ts';
import { addressOf } from '../grant-conditions.ts';
import type { RefusalLog } from '../refusal-log.ts';
import { SessionRecords } from '../session-records.ts';
import { AUTHENTICATION_OK, type Authenticated, authenticate } from './authenticate.ts';
import type { CancelKeys } from './cancel-keys.ts';
import { openTo } from './database-name.ts';
import { Entrance, Gone } from './entrance.ts';
import { errorResponse } from './errors.ts';
import { cancelSecretBytes, negotiate } from './negotiation.ts';
import type { DatabaseCatalog, RelationCatalogs } from './relations.ts';
import { upstreamApplication } from './role-names.ts';
import { PgSession } from './session.ts';
import type { SessionRole, SessionRoles } from './session-roles.ts';
import { parseStartupOptions, startupOptionDenied } from './settings.ts';
import { simpleQuery } from './simple-query.ts';
import type { SpareConnections } from './spare-connections.ts';
import type { StatementCatalogue } from './statements.ts';
import { connectUpstream, PasswordRefused, type Upstream } from './upstream.ts';
import { Back, CANCEL_REQUEST, cstring, message, type StartupPacket, WireError } from './wire.ts';

/** What every session of a worker shares. */
export interface Shared {
  readonly gateway: Gateway;
  readonly statements: StatementCatalogue;
  readonly catalogs: RelationCatalogs;
  readonly roles: SessionRoles;
  readonly keys: CancelKeys;
  readonly spares: SpareConnections;
  readonly attempts: Attempts;
  readonly refusals: RefusalLog;
}

/** Startup parameters that are Postern's own business, not settings. */
const RESERVED: ReadonlySet<string> = new Set(['user', 'database', 'replication', 'options']);

/**
 * From an accepted connection to a running session: encryption, start-up, authentication, resource and grant, upstream.
 * Everything before the session is ready must be done within `limits.handshakeMs`.
 *
 * @see https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */
export class Handshake {
  readonly #shared: Shared;
  readonly #gateway: Gateway;
  readonly #source: string;
  readonly #raw: Socket;
  readonly #entrance: Entrance;
  #timer: NodeJS.Timeout | undefined;

  constructor(shared: Shared, socket: Socket) {
    this.#shared = shared;
    this.#gateway = shared.gateway;
    this.#raw = socket;
    this.#entrance = new Entrance(shared.gateway, socket);
    this.#source = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;
  }

  async run(): Promise<void> {
    const raw = this.#raw;
    raw.on('error', () => raw.destroy());
    this.#arm();
    let upstream: Upstream | undefined;
    let forget = (): void => undefined;
    try {
      const packet = await this.#entrance.startup();
      if (packet.code === CANCEL_REQUEST) {
        this.#shared.keys.cancel(Buffer.from(packet.body.subarray(8)));
        this.#close();
        return;
      }
      const settings = this.#settings(packet);
      const { version, answer } = negotiate(packet);
      if (answer !== null) this.#entrance.socket.write(answer);
      const proven = await this.#prove(packet.parameters.get('user') ?? '');
      const { principal, credential } = proven;
      const open = await this.#open(packet.parameters, proven);
      const target = { ...open, session: uuidv7(), principal, credential };
      const { catalog, role } = await this.#prepare(target);
      if (role !== null) forget = () => this.#shared.roles.close(role, target);
      upstream = await this.#connect(target, role, settings);
      await this.#begin(packet, { ...proven, ...target, catalog, role, version }, upstream, forget);
    } catch (error) {
      upstream?.socket.destroy();
      forget();
      this.#refuse(error);
    } finally {
      clearTimeout(this.#timer);
    }
  }

  /** Whom the client proves to be. Who failed too often is not heard at all: nothing is looked up or compared. */
  async #prove(name: string): Promise<Authenticated> {
    const { attempts } = this.#shared;
    const address = addressOf(this.#source);
    if (!attempts.heard(address, name, Date.now()))
      throw new PosternError(
        'POSTERN_TOO_MANY_REQUESTS',
        'too many attempts from this address, or for this name, have failed',
        'Wait a minute.',
      );
    try {
      const proven = await authenticate(this.#gateway, this.#entrance, name);
      attempts.proven(address, name, Date.now());
      return proven;
    } catch (error) {
      if (error instanceof PosternError) attempts.failed(address, name, Date.now());
      throw error;
    }
  }

  #arm(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#raw.destroy(), this.#gateway.limits.handshakeMs);
  }

  /** Where the connection goes. Without an active grant it may ask for one, and the client be held until people have agreed. */
  async #open(
    parameters: ReadonlyMap<string, string>,
    { principal, credential, proof }: Authenticated,
  ): Promise<ReturnType<typeof openTo>> {
    const open = () => openTo(this.#gateway.directory, parameters, principal, credential, this.#source);
    try {
      return open();
    } catch (error) {
      const resource = askable(error, credential, 'postgres');
      if (resource === null) throw error;
      const { id } = credential;
      const claims = proof?.claims ?? null;
      const source = addressOf(this.#source);
      const gone = new AbortController();
      const unwatch = this.#entrance.watch(() => gone.abort());
      // Being held has a time of its own.
      clearTimeout(this.#timer);
      const answer = await this.#gateway.askAccess(
        { principal: principal.id, resource: resource.id, credential: id, source, claims },
        gone.signal,
      );
      this.#arm();
      unwatch();
      if (gone.signal.aborted) throw new Gone();
      const { directory } = this.#gateway;
      const now = directory.credential(id);
      const held = now === undefined ? credential : { ...credential, status: now.status };
      const why = unusable(directory.principal(principal.id) ?? principal, held, Date.now());
      if (why !== null) throw new Refused(why.code, why.message, principal, resource);
      if (answer.outcome === 'granted') return open();
      throw notYet(answer, error as Refused);
    }
  }

  #settings(packet: StartupPacket): Map<string, string> {
    const { parameters } = packet;
    if (this.#entrance.tls === null && this.#gateway.tlsRequired) {
      throw new PosternError(
        'POSTERN_TLS_REQUIRED',
        'the connection must be encrypted',
        'Connect with sslmode=verify-full and the CA file of this gateway.',
      );
    }
    if (parameters.has('replication') && !/^(false|off|no|0)$/i.test(parameters.get('replication') ?? '')) {
      throw new PosternError('POSTERN_UNSUPPORTED', 'replication connections are not supported');
    }
    const settings = new Map<string, string>();
    const options = parseStartupOptions(parameters.get('options') ?? '');
    if (options === null) {
      throw new PosternError(
        'POSTERN_UNSUPPORTED',
        'the startup parameter "options" may only hold settings',
        'Write -c name=value.',
      );
    }
    for (const [name, value] of [...options, ...parameters]) {
      if (RESERVED.has(name) || name.startsWith('_pq_.')) continue;
      const refusal = startupOptionDenied(name, value);
      if (refusal !== null) throw new PosternError(refusal.code, refusal.reason, refusal.hint);
      settings.set(name, value);
    }
    // Statements are examined as UTF-8 with standard strings, so they must be run as that.
    settings.set('client_encoding', 'UTF8');
    settings.set('standard_conforming_strings', 'on');
    return settings;
  }

  /** The names of the database, and the role that the session gets there, where it gets one. */
  async #prepare(target: Target): Promise<{ catalog: DatabaseCatalog; role: SessionRole | null }> {
    const { resource, database, principal } = target;
    const { catalogs, roles } = this.#shared;
    const catalog = catalogs.of(resource, database);
    try {
      if (catalog.current() === null) await catalog.read();
      if (resource.admin === null) return { catalog, role: null };
      // They may change while they are read; what is new in them the role gets before a statement is decided by it.
      const names = catalog.latest();
      if (names === null)
        throw new PosternError('POSTERN_UPSTREAM_UNAVAILABLE', 'the names of the database are not known');
      return { catalog, role: await roles.open({ ...target, principal: principal.name, catalog: names }) };
    } catch (error) {
      throw this.#refusedFor(error, target);
    }
  }

  async #connect(
    target: Target,
    role: SessionRole | null,
    settings: ReadonlyMap<string, string>,
  ): Promise<Upstream> {
    const { resource, database, principal, session } = target;
    const said = new Map(settings).set(
      'application_name',
      upstreamApplication(principal.name, session, settings.get('application_name') ?? ''),
    );
    const as = role === null ? resource : { ...resource, upstream: role };
    try {
      const { upstreamMs } = this.#gateway.limits;
      const upstream = await connectUpstream(as, database, said, upstreamMs, undefined, this.#shared.spares);
      // The client is told its own name for itself.
      upstream.parameters.set('application_name', settings.get('application_name') ?? '');
      return upstream;
    } catch (error) {
      throw this.#refusedFor(error, target);
    }
  }

  /** What the client and the record are told when the resource cannot be reached as this principal. */
  #refusedFor(error: unknown, { principal, resource }: Target): unknown {
    const sourced = resource.upstream.sourced === true || resource.admin?.sourced === true;
    if (error instanceof PasswordRefused && sourced) this.#gateway.passwordRefused(resource.id);
    return error instanceof PosternError
      ? new Refused(error.code, error.message, principal, resource, error.hint)
      : error;
  }

  async #begin(
    packet: StartupPacket,
    to: Authenticated &
      Target & {
        readonly catalog: DatabaseCatalog;
        readonly role: SessionRole | null;
        readonly version: number;
      },
    upstream: Upstream,
    forget: () => void,
  ): Promise<void> {
    const client = this.#entrance.socket;
    const { gateway, statements, keys, roles } = this.#shared;
    const { limits, recorder } = gateway;
    const { principal, credential, resource, database, grants, role, catalog } = to;
    if (!gateway.admit())
      throw new Refused(
        'POSTERN_TOO_MANY_SESSIONS',
        'the gateway takes no more sessions',
        principal,
        resource,
      );
    for (const [name, wanted] of [
      ['client_encoding', 'UTF8'],
      ['standard_conforming_strings', 'on'],
    ] as const) {
      const value = upstream.parameters.get(name);
      if (value !== wanted) {
        throw new Refused(
          'POSTERN_UPSTREAM_UNAVAILABLE',
          `the resource insists on ${name} ${value ?? 'unknown'}`,
          principal,
          resource,
        );
      }
    }
    const upstreamUser = role?.user ?? resource.upstream.user;
    const joined = role?.grants ?? null;
    const { session: id } = to;
    const who = { session: id, principal, credential, resource, source: this.#source, upstreamUser, joined };
    const searchPath =
      upstream.parameters.get('search_path') ??
      (await simpleQuery(upstream, 'SHOW search_path', limits.upstreamMs))[0]?.[0] ??
      '';
    const records = new SessionRecords(who, 'postgres');
    recorder.append(
      records.opened({
        source: this.#source,
        credential: credential.id,
        ...(to.proof && { proof: to.proof }),
        grants: grants.map((grant) => grant.id),
        tls: { client: this.#entrance.tls, upstream: upstream.tls },
        database,
        upstreamUser,
        upstreamIdentity: role === null ? 'fixed' : 'ephemeral',
        client: packet.parameters.get('application_name')?.slice(0, 128) ?? null,
      }),
    );
    const written = await new Promise<boolean>((resolve) =>
      recorder.afterWrite(resource.durability, resolve),
    );
    if (!written)
      throw new PosternError('POSTERN_AUDIT_UNAVAILABLE', 'the record of this session cannot be written');
    if (client.destroyed) {
      const nothing = { durationUs: 0, commands: 0, denied: 0 };
      recorder.append(records.closed({ source: this.#source, reason: 'client', ...nothing }));
      throw new Gone();
    }
    const session: PgSession = new PgSession({
      gateway,
      who,
      client,
      rest: this.#entrance.take(),
      upstream,
      catalog,
      statements,
      searchPath,
      roles: role === null ? null : { role, roles, database },
      onEnd: () => {
        keys.remove(session);
        forget();
      },
    });
    const key = keys.add(session, cancelSecretBytes(to.version));
    const parts = [to.final, AUTHENTICATION_OK];
    for (const [name, value] of upstream.parameters)
      parts.push(message(Back.parameterStatus, cstring(name), cstring(value)));
    parts.push(message(Back.backendKeyData, key), READY);
    client.write(Buffer.concat(parts));
    gateway.opened(session);
    session.start();
    // The snapshot may have changed while the resource was being connected.
    session.recheck(true);
    this.#shared.spares.began(resource, limits.upstreamMs);
  }

  #refuse(error: unknown): void {
    const { socket } = this.#entrance;
    if (error instanceof Gone || socket.destroyed) {
      this.#raw.destroy();
      return;
    }
    let code: ErrorCode = 'POSTERN_INTERNAL';
    let text = 'a fault of the gateway';
    let hint: string | undefined;
    let sqlstate: string | undefined;
    if (error instanceof WireError) {
      code = 'POSTERN_PROTOCOL_VIOLATION';
      text = error.message;
    } else if (error instanceof Refused) {
      ({ code, message: text, hint } = error);
      // At the door a missing grant is a matter of authorization, not of a privilege on an object.
      if (code === 'POSTERN_GRANT_MISSING') sqlstate = '28000';
      if (error.principal !== undefined) {
        const { principal, resource } = error;
        this.#shared.refusals.note({ principal, resource, source: this.#source, code, reason: text });
      }
    } else if (error instanceof PosternError) {
      ({ code, message: text, hint } = error);
    } else {
      console.error('postern: a connection could not be set up:', error);
    }
    this.#close(
      errorResponse({
        severity: 'FATAL',
        code,
        message: text,
        hint,
        ...(sqlstate === undefined ? {} : { sqlstate }),
      }),
    );
  }

  /** Says the last words and waits a moment for them to be read. */
  #close(lastWords?: Buffer): void {
    const { socket } = this.#entrance;
    socket.end(lastWords ?? '');
    socket.resume();
    setTimeout(() => this.#raw.destroy(), 1000).unref();
  }
}

/** Where a connection goes. */
interface Target {
  readonly session: string;
  readonly principal: PrincipalView;
  readonly credential: CredentialView;
  readonly resource: ResourceView;
  readonly database: string;
  readonly grants: readonly GrantView[];
}

const READY = message(Back.readyForQuery, Buffer.from('I'));
