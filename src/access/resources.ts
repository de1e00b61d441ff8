import { isDeepStrictEqual } from 'node:util';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { HttpSettings, ResourceView, TlsSettings } from '../core/views.ts';
import { checkName, checkReason, checkText } from '../identity/input.ts';
import { accountable } from '../identity/principal-input.ts';
import type { Change, ChangeLog } from '../store/changes.ts';
import type { HeldLogin, Resource } from '../store/entities.ts';
import { findResource, found, listGrants, listResources, type Page } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { endedGrant } from './grants.ts';
import { checkHost, checkPort, checkTls, heldOf, placeOf } from './resource-input.ts';
import { LOGINS, type LoginKind, type ResourceSecrets } from './resource-secrets.ts';

/** How old a password may become, in seconds: an hour to 400 days. */
const ROTATE = { min: 3600, max: 34_560_000 };

export interface NewResource {
  readonly name: string;
  readonly protocol: ResourceView['protocol'];
  readonly host: string;
  readonly port: number;
  /** Of PostgreSQL. */
  readonly database?: string | undefined;
  /** Of HTTP. */
  readonly http?: HttpSettings | undefined;
  readonly tls: {
    readonly mode: TlsSettings['mode'];
    readonly ca?: string | undefined;
    readonly serverName?: string | undefined;
    readonly negotiation?: TlsSettings['negotiation'] | undefined;
  };
  readonly environment: string;
  readonly classification: string;
  readonly durability?: Resource['durability'] | undefined;
  readonly catalogAccess?: Resource['catalogAccess'] | undefined;
  readonly resultDigest?: boolean | undefined;
  /** Person: id, name or e-mail address. */
  readonly owner?: string | undefined;
  readonly upstream: Login;
  readonly admin?: Login | undefined;
}

/** What is to be otherwise; what is absent stays. Name, protocol and credentials are changed elsewhere, or never. */
export type ResourceChange = {
  readonly [K in
    | 'host'
    | 'port'
    | 'database'
    | 'http'
    | 'tls'
    | 'environment'
    | 'classification'
    | 'durability'
    | 'catalogAccess'
    | 'resultDigest']?: NewResource[K] | undefined;
} & { readonly owner?: string | null | undefined };

/** With a password, or a reference to where it is kept. */
export interface Login {
  readonly user: string;
  readonly password?: string | undefined;
  readonly source?: string | undefined;
}

/** The upstream systems. The password is sealed when it arrives and opened only for the gateway. */
export class Resources {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #secrets: ResourceSecrets;

  constructor(db: StateDb, changes: ChangeLog, secrets: ResourceSecrets) {
    this.#db = db;
    this.#changes = changes;
    this.#secrets = secrets;
  }

  /** @throws PosternError POSTERN_INVALID, or POSTERN_CONFLICT when the name is or was in use */
  async create(actor: Actor, input: NewResource): Promise<Resource> {
    await this.#secrets.prepareSource(input.upstream.source);
    await this.#secrets.prepareSource(input.admin?.source);
    return this.#changes.run(actor, async (db) => {
      const name = checkName(input.name, 'resource');
      if (await findResource(db, name)) {
        throw new PosternError(
          'POSTERN_CONFLICT',
          `The name ${name} is or was in use; a name is never used again.`,
        );
      }
      const createdAt = rfc3339(nowMicros());
      const after: Resource = {
        id: uuidv7(),
        name,
        protocol: input.protocol,
        host: checkHost(input.host, 'host'),
        port: checkPort(input.port),
        ...placeOf(input),
        tls: checkTls(input.tls),
        environment: checkText(input.environment, 'environment', 64),
        classification: checkText(input.classification, 'classification', 64),
        durability: input.durability ?? 'process',
        catalogAccess: input.catalogAccess ?? 'tools',
        resultDigest: input.resultDigest ?? false,
        upstream: heldOf('upstream', input.upstream, createdAt),
        admin: input.admin === undefined ? null : heldOf('admin', input.admin, createdAt),
        rotateSeconds: null,
        owner: input.owner === undefined ? null : await accountable(db, input.owner, 'owner'),
        status: 'active',
        statusReason: null,
        createdAt,
      };
      return {
        changes: [{ type: 'resource.created', entity: 'resource', before: null, after }],
        secrets: async (tx) => {
          await this.#keep(tx, 'upstream', after.upstream, input.upstream);
          if (input.admin !== undefined) await this.#keep(tx, 'admin', after.admin, input.admin);
        },
        result: after,
      };
    });
  }

  /** @throws PosternError POSTERN_NOT_FOUND */
  async get(ref: string): Promise<Resource> {
    return found(await findResource(this.#db, ref), 'resource', ref);
  }

  list(page?: Page): Promise<Resource[]> {
    return listResources(this.#db, {}, page);
  }

  /**
   * Changes where a resource is or what is said of it, for sessions from now on. A change that comes to nothing leaves no record.
   *
   * @throws PosternError POSTERN_INVALID, POSTERN_NOT_FOUND, or POSTERN_CONFLICT for a resource that is retired
   */
  update(actor: Actor, ref: string, input: ResourceChange, reason: string): Promise<Resource> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = found(await findResource(db, ref), 'resource', ref);
      if (before.status === 'retired')
        throw new PosternError('POSTERN_CONFLICT', `${before.name} is retired.`);
      const { host, port, database, http, tls, environment, classification, owner } = input;
      const after: Resource = {
        ...before,
        ...(host !== undefined && { host: checkHost(host, 'host') }),
        ...(port !== undefined && { port: checkPort(port) }),
        ...(database !== undefined || http !== undefined
          ? placeOf({ protocol: before.protocol, database, http: http ?? before.http ?? undefined })
          : {}),
        ...(tls !== undefined && { tls: checkTls(tls) }),
        ...(owner !== undefined && { owner: owner === null ? null : await accountable(db, owner, 'owner') }),
        ...(environment !== undefined && { environment: checkText(environment, 'environment', 64) }),
        ...(classification !== undefined && {
          classification: checkText(classification, 'classification', 64),
        }),
        durability: input.durability ?? before.durability,
        catalogAccess: input.catalogAccess ?? before.catalogAccess,
        resultDigest: input.resultDigest ?? before.resultDigest,
      };
      if (isDeepStrictEqual(before, after)) return { changes: [], result: before };
      return {
        changes: [{ type: 'resource.updated', entity: 'resource', before, after, reason: why }],
        result: after,
      };
    });
  }

  /**
   * Sets or, with null, takes away the administering credential. Sessions that there are keep what they are.
   *
   * @throws PosternError POSTERN_INVALID, POSTERN_NOT_FOUND, or POSTERN_CONFLICT for a resource that is retired
   */
  async setAdmin(actor: Actor, ref: string, login: Login | null, reason: string): Promise<Resource> {
    const why = checkReason(reason);
    await this.#secrets.prepareSource(login?.source);
    return this.#update(actor, ref, why, (before) => {
      const admin = login === null ? null : heldOf('admin', login, rfc3339(nowMicros()));
      return { after: { ...before, admin }, kind: 'admin', login };
    });
  }

  /**
   * Says which password a credential has from now on, where somebody has changed it at the resource. Sessions that there are go on.
   *
   * @throws PosternError POSTERN_INVALID, POSTERN_NOT_FOUND, or POSTERN_CONFLICT where there is no such credential
   */
  async setPassword(
    actor: Actor,
    ref: string,
    kind: LoginKind,
    given: Omit<Login, 'user'>,
    reason: string,
  ): Promise<Resource> {
    const why = checkReason(reason);
    await this.#secrets.prepareSource(given.source);
    return this.#update(actor, ref, why, (before) => {
      const held = before[kind];
      if (held === null)
        throw new PosternError('POSTERN_CONFLICT', `${before.name} has no administering credential.`);
      const login = { ...given, user: held.user };
      const after = { ...before, [kind]: heldOf(kind, login, rfc3339(nowMicros())) };
      return { after, kind, login };
    });
  }

  /** How old passwords become before they are replaced; null: they are not. @throws PosternError as `setAdmin` */
  setRotation(actor: Actor, ref: string, seconds: number | null, reason: string): Promise<Resource> {
    const why = checkReason(reason);
    if (seconds !== null && !(Number.isInteger(seconds) && seconds >= ROTATE.min && seconds <= ROTATE.max))
      throw new PosternError('POSTERN_INVALID', 'A password is replaced every hour to every 400 days.');
    return this.#update(actor, ref, why, (before) => ({
      after: { ...before, rotateSeconds: seconds },
      kind: null,
      login: null,
    }));
  }

  #update(
    actor: Actor,
    ref: string,
    reason: string,
    decide: (before: Resource) => {
      readonly after: Resource;
      /** Which credential is another. */
      readonly kind: LoginKind | null;
      readonly login: Login | null;
    },
  ): Promise<Resource> {
    return this.#changes.run(actor, async (db) => {
      const before = found(await findResource(db, ref), 'resource', ref);
      if (before.status === 'retired')
        throw new PosternError('POSTERN_CONFLICT', `${before.name} is retired.`);
      const { after, kind, login } = decide(before);
      return {
        changes: [{ type: 'resource.updated', entity: 'resource', before, after, reason }],
        ...(kind !== null && {
          secrets: async (tx: StateDb) => {
            if (login !== null) await this.#keep(tx, kind, after[kind], login);
          },
          beside: async (tx: StateDb) => {
            await this.#secrets.abandon(tx, before.id, kind);
            await this.#secrets.forget(tx, kind, before[kind]?.secret ?? null);
          },
        }),
        result: after,
      };
    });
  }

  async #keep(tx: StateDb, kind: LoginKind, held: HeldLogin | null, { password }: Login): Promise<void> {
    if (held !== null && password !== undefined) await this.#secrets.keep(tx, kind, held.secret, password);
  }

  /** Ends the resource for good, with every grant on it, and forgets its upstream password. */
  retire(actor: Actor, ref: string, reason: string): Promise<Resource> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = found(await findResource(db, ref), 'resource', ref);
      if (before.status === 'retired') {
        throw new PosternError('POSTERN_CONFLICT', `${before.name} is retired already.`);
      }
      const at = rfc3339(nowMicros());
      const after: Resource = { ...before, admin: null, status: 'retired', statusReason: why };
      const change: Change = { type: 'resource.retired', entity: 'resource', before, after, reason: why };
      const grants = await listGrants(db, { resource: before.id, status: 'active' });
      const endings = grants.map((grant) => endedGrant(grant, 'revoked', at, 'resource retired'));
      return {
        changes: [change, ...endings],
        beside: async (tx) => {
          for (const kind of LOGINS) {
            await this.#secrets.abandon(tx, before.id, kind);
            await this.#secrets.forget(tx, kind, before[kind]?.secret ?? null);
          }
        },
        result: after,
      };
    });
  }

  /**
   * The resource with its upstream password, for gateway workers and nobody else. A retired one comes without.
   *
   * @throws PosternError POSTERN_INTERNAL when the secret is missing or cannot be opened
   */
  async view(resource: Resource): Promise<ResourceView> {
    if (resource.status === 'retired') return withoutSecrets(resource, 'retired');
    const upstream = await this.#secrets.upstream(resource);
    const admin = await this.#secrets.admin(resource);
    return { ...withoutSecrets(resource, resource.status), upstream, admin };
  }
}

/** What workers know of a resource that they are not to use. */
export function withoutSecrets(resource: Resource, status: ResourceView['status']): ResourceView {
  const { id, name, protocol, host, port, database, http, tls, durability, catalogAccess, resultDigest } =
    resource;
  return {
    ...{
      id,
      name,
      protocol,
      host,
      port,
      database,
      http,
      tls,
      durability,
      catalogAccess,
      resultDigest,
      status,
    },
    upstream: { user: resource.upstream.user, password: '' },
    admin: null,
  };
}
