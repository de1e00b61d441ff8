import { once } from 'node:events';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type ErrorCode, PosternError } from '../../core/errors.ts';
import { uuidv7 } from '../../core/ids.ts';
import type { CredentialView, GrantView, PrincipalView, ResourceView } from '../../core/views.ts';
import type { Gateway } from '../contract.ts';
import { AUTHENTICATION_OK, AUTHENTICATION_SASL, ScramServer } from './auth.ts';
import type { CancelKeys } from './cancel-keys.ts';
import { openTo, Refused } from './door.ts';
import { errorResponse } from './errors.ts';
import { refusedRecord, SessionRecords } from './records.ts';
import type { RelationCatalogs } from './relations.ts';
import { PgSession } from './session.ts';
import { parseStartupOptions, startupOptionDenied } from './settings.ts';
import { simpleQuery } from './simple-query.ts';
import type { StatementCatalogue } from './statements.ts';
import { connectUpstream, type Upstream } from './upstream.ts';
import {
  Back,
  CANCEL_REQUEST,
  cstring,
  FrameReader,
  Front,
  GSSENC_REQUEST,
  int32,
  message,
  readStartup,
  SSL_REQUEST,
  type StartupPacket,
  WireError,
} from './wire.ts';

/** What every session of a worker shares. */
export interface Shared {
  readonly gateway: Gateway;
  readonly statements: StatementCatalogue;
  readonly catalogs: RelationCatalogs;
  readonly keys: CancelKeys;
}

const passwordRules = {
  limit: (type: number): number => (type === Front.password ? 4096 : 0),
  streams: (): boolean => false,
  skips: (): boolean => false,
};

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
  #socket: Socket;
  #input: Buffer = Buffer.alloc(0);
  #tls: string | null = null;

  constructor(shared: Shared, socket: Socket) {
    this.#shared = shared;
    this.#gateway = shared.gateway;
    this.#socket = socket;
    this.#source = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;
  }

  async run(): Promise<void> {
    const raw = this.#socket;
    raw.on('error', () => raw.destroy());
    const timer = setTimeout(() => raw.destroy(), this.#gateway.limits.handshakeMs);
    let upstream: Upstream | undefined;
    try {
      const packet = await this.#startup();
      if (packet === null) return;
      const settings = this.#settings(packet);
      const { principal, credential, final } = await this.#authenticate(packet);
      const { resource, database, grants } = openTo(
        this.#gateway.directory,
        packet.parameters,
        principal,
        credential,
      );
      upstream = await this.#connect(principal, resource, database, settings);
      await this.#begin(packet, { principal, credential, resource, database, grants }, upstream, final);
    } catch (error) {
      upstream?.socket.destroy();
      this.#refuse(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Null when the connection was only there to cancel. */
  async #startup(): Promise<StartupPacket | null> {
    for (let requests = 0; requests < 3; requests++) {
      let read = readStartup(this.#input);
      while (read === null) {
        await this.#more();
        read = readStartup(this.#input);
      }
      const { packet, size } = read;
      const rest = this.#input.subarray(size);
      if (packet.code === SSL_REQUEST && this.#tls === null) {
        await this.#encrypt(rest);
      } else if (packet.code === GSSENC_REQUEST && this.#tls === null) {
        if (rest.length > 0) throw new WireError('data before the answer to an encryption request');
        this.#input = rest;
        this.#socket.write('N');
      } else if (packet.code === CANCEL_REQUEST) {
        this.#shared.keys.cancel(Buffer.from(packet.body.subarray(8)));
        this.#socket.end();
        return null;
      } else if (packet.code >>> 16 === 3) {
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

  async #more(): Promise<void> {
    const socket = this.#socket;
    const chunk = await new Promise<Buffer>((resolve, reject) => {
      const settle = (): void => {
        socket.off('data', onData);
        socket.off('close', onClose);
      };
      const onData = (bytes: Buffer): void => {
        settle();
        socket.pause();
        resolve(bytes);
      };
      const onClose = (): void => {
        settle();
        reject(new Gone());
      };
      if (socket.destroyed) {
        reject(new Gone());
        return;
      }
      socket.once('data', onData);
      socket.once('close', onClose);
      socket.resume();
    });
    this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
  }

  async #encrypt(rest: Buffer): Promise<void> {
    // Bytes behind the request came in the clear and would be taken for encrypted ones (CVE-2021-23214).
    if (rest.length > 0) throw new WireError('data before encryption');
    const raw = this.#socket;
    raw.write('S');
    const secure = new TLSSocket(raw, {
      isServer: true,
      secureContext: this.#gateway.tls(),
    });
    secure.on('error', () => raw.destroy());
    this.#socket = secure;
    this.#input = Buffer.alloc(0);
    await Promise.race([
      once(secure, 'secure'),
      once(raw, 'close').then(() => {
        throw new Gone();
      }),
    ]);
    secure.setNoDelay(true);
    this.#tls = `${secure.getProtocol()} ${secure.getCipher().name}`;
  }

  #settings(packet: StartupPacket): Map<string, string> {
    const { parameters } = packet;
    if (this.#tls === null && this.#gateway.tlsRequired) {
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

  async #authenticate(packet: StartupPacket) {
    const socket = this.#socket;
    const unknown = [...packet.parameters.keys()].filter((name) => name.startsWith('_pq_.'));
    if (packet.minor > 0 || unknown.length > 0) {
      socket.write(
        message(Back.negotiateProtocolVersion, int32(0), int32(unknown.length), ...unknown.map(cstring)),
      );
    }
    const name = packet.parameters.get('user') ?? '';
    const scram = new ScramServer(this.#gateway.directory, this.#gateway.scramSecret, name);
    const reader = new FrameReader(passwordRules);
    reader.push(this.#input);
    this.#input = Buffer.alloc(0);
    socket.write(AUTHENTICATION_SASL);
    await this.#next(reader);
    socket.write(scram.first(reader.buffer, reader.start, reader.end));
    await this.#next(reader);
    const result = scram.last(reader.buffer, reader.start, reader.end, Date.now());
    this.#input = reader.rest();
    if (!result.ok) throw new Refused(result.code, result.message, result.principal);
    return result;
  }

  async #next(reader: FrameReader): Promise<void> {
    while (!reader.next()) {
      await this.#more();
      reader.push(this.#input);
      this.#input = Buffer.alloc(0);
    }
  }

  async #connect(
    principal: PrincipalView,
    resource: ResourceView,
    database: string,
    settings: ReadonlyMap<string, string>,
  ) {
    try {
      return await connectUpstream(resource, database, settings, this.#gateway.limits.upstreamMs);
    } catch (error) {
      if (error instanceof PosternError) throw new Refused(error.code, error.message, principal, resource);
      throw error;
    }
  }

  async #begin(
    packet: StartupPacket,
    to: {
      principal: PrincipalView;
      credential: CredentialView;
      resource: ResourceView;
      database: string;
      grants: readonly GrantView[];
    },
    upstream: Upstream,
    final: Buffer,
  ): Promise<void> {
    const { gateway, catalogs, statements, keys } = this.#shared;
    const { limits, recorder } = gateway;
    const { principal, credential, resource, database, grants } = to;
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
    const who = { session: uuidv7(), principal, credential, resource, source: this.#source };
    const catalog = catalogs.of(resource, database);
    if (catalog.current() === null) await catalog.read();
    const searchPath =
      upstream.parameters.get('search_path') ??
      (await simpleQuery(upstream, 'SHOW search_path', limits.upstreamMs))[0]?.[0] ??
      '';
    const records = new SessionRecords(who);
    recorder.append(
      records.opened({
        source: this.#source,
        credential: credential.id,
        grants: grants.map((grant) => grant.id),
        tls: { client: this.#tls, upstream: upstream.tls },
        database,
        upstreamUser: resource.upstream.user,
        client: packet.parameters.get('application_name')?.slice(0, 128) ?? null,
      }),
    );
    const written = await new Promise<boolean>((resolve) =>
      recorder.afterWrite(resource.durability, resolve),
    );
    if (!written)
      throw new PosternError('POSTERN_AUDIT_UNAVAILABLE', 'the record of this session cannot be written');
    if (this.#socket.destroyed) {
      const nothing = { durationUs: 0, commands: 0, denied: 0 };
      recorder.append(records.closed({ source: this.#source, reason: 'client', ...nothing }));
      throw new Gone();
    }
    const session: PgSession = new PgSession({
      gateway,
      who,
      client: this.#socket,
      rest: this.#input,
      upstream,
      catalog,
      statements,
      searchPath,
      onEnd: () => keys.remove(session),
    });
    const key = keys.add(session);
    const parts = [final, AUTHENTICATION_OK];
    for (const [name, value] of upstream.parameters)
      parts.push(message(Back.parameterStatus, cstring(name), cstring(value)));
    parts.push(message(Back.backendKeyData, key), READY);
    this.#socket.write(Buffer.concat(parts));
    gateway.opened(session);
    session.start();
    // The snapshot may have changed while the resource was being connected.
    session.recheck(true);
  }

  #refuse(error: unknown): void {
    const socket = this.#socket;
    if (error instanceof Gone || socket.destroyed) {
      socket.destroy();
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
        this.#gateway.recorder.append(
          refusedRecord(error.principal, error.resource, this.#source, code, text),
        );
      }
    } else if (error instanceof PosternError) {
      ({ code, message: text, hint } = error);
    } else {
      console.error('postern: a connection could not be set up:', error);
    }
    socket.end(
      errorResponse({
        severity: 'FATAL',
        code,
        message: text,
        hint,
        ...(sqlstate === undefined ? {} : { sqlstate }),
      }),
    );
    socket.resume();
    setTimeout(() => socket.destroy(), 1000).unref();
  }
}

const READY = message(Back.readyForQuery, Buffer.from('I'));

/** The client went away by itself. */
class Gone extends Error {}
