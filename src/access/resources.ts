import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { ResourceView, TlsSettings } from '../core/views.ts';
import { checkName, checkReason, checkText } from '../identity/input.ts';
import type { Change, ChangeLog } from '../store/changes.ts';
import type { Resource } from '../store/entities.ts';
import { findResource, found, listGrants, listResources, type Page } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import type { SecretBox } from '../vault/secrets.ts';
import { endedGrant } from './grants.ts';

const CA_MAX = 16_384;
const PASSWORD_MAX = 1024;
/** NAMEDATALEN - 1: longer names do not exist in PostgreSQL. */
const IDENTIFIER_MAX = 63;

export interface NewResource {
  readonly name: string;
  readonly protocol: 'postgres';
  readonly host: string;
  readonly port: number;
  readonly database: string;
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
  readonly upstream: Login;
  readonly admin?: Login | undefined;
}

/** What is to be otherwise; what is absent stays. Name, protocol and credentials are changed elsewhere, or never. */
export type ResourceChange = {
  readonly [K in
    | 'host'
    | 'port'
    | 'database'
    | 'tls'
    | 'environment'
    | 'classification'
    | 'durability'
    | 'catalogAccess'
    | 'resultDigest']?: NewResource[K] | undefined;
};

export interface Login {
  readonly user: string;
  readonly password: string;
}

/** The upstream systems. The password is sealed when it arrives and opened only for the gateway. */
export class Resources {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #box: SecretBox;

  constructor(db: StateDb, changes: ChangeLog, box: SecretBox) {
    this.#db = db;
    this.#changes = changes;
    this.#box = box;
  }

  /** @throws PosternError POSTERN_INVALID, or POSTERN_CONFLICT when the name is or was in use */
  create(actor: Actor, input: NewResource): Promise<Resource> {
    return this.#changes.run(actor, async (db) => {
      const name = checkName(input.name, 'resource');
      if (await findResource(db, name)) {
        throw new PosternError(
          'POSTERN_CONFLICT',
          `The name ${name} is or was in use; a name is never used again.`,
        );
      }
      const after: Resource = {
        id: uuidv7(),
        name,
        protocol: input.protocol,
        host: checkHost(input.host, 'host'),
        port: checkPort(input.port),
        database: checkText(input.database, 'database', IDENTIFIER_MAX),
        tls: checkTls(input.tls),
        environment: checkText(input.environment, 'environment', 64),
        classification: checkText(input.classification, 'classification', 64),
        durability: input.durability ?? 'process',
        catalogAccess: input.catalogAccess ?? 'tools',
        resultDigest: input.resultDigest ?? false,
        upstream: { user: checkText(input.upstream.user, 'upstream user', IDENTIFIER_MAX) },
        admin: input.admin === undefined ? null : adminOf(input.admin),
        status: 'active',
        statusReason: null,
        createdAt: rfc3339(nowMicros()),
      };
      const sealed = this.#box.seal(checkPassword(input.upstream.password), context(after.id));
      return {
        changes: [{ type: 'resource.created', entity: 'resource', before: null, after }],
        secrets: async (tx) => {
          await tx.insertInto('vault_secrets').values({ resource_id: after.id, sealed }).execute();
          if (after.admin !== null && input.admin !== undefined)
            await this.#keepAdmin(tx, after.admin.secret, input.admin);
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
      const { host, port, database, tls, environment, classification } = input;
      const after: Resource = {
        ...before,
        ...(host !== undefined && { host: checkHost(host, 'host') }),
        ...(port !== undefined && { port: checkPort(port) }),
        ...(database !== undefined && { database: checkText(database, 'database', IDENTIFIER_MAX) }),
        ...(tls !== undefined && { tls: checkTls(tls) }),
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
  setAdmin(actor: Actor, ref: string, login: Login | null, reason: string): Promise<Resource> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = found(await findResource(db, ref), 'resource', ref);
      if (before.status === 'retired')
        throw new PosternError('POSTERN_CONFLICT', `${before.name} is retired.`);
      const after: Resource = { ...before, admin: login === null ? null : adminOf(login) };
      return {
        changes: [{ type: 'resource.updated', entity: 'resource', before, after, reason: why }],
        secrets: async (tx) => {
          if (after.admin !== null && login !== null) await this.#keepAdmin(tx, after.admin.secret, login);
        },
        beside: async (tx) => {
          if (before.admin === null) return;
          await tx.deleteFrom('vault_admin_secrets').where('id', '=', before.admin.secret).execute();
        },
        result: after,
      };
    });
  }

  async #keepAdmin(db: StateDb, id: string, login: Login): Promise<void> {
    const sealed = this.#box.seal(checkPassword(login.password), adminContext(id));
    await db.insertInto('vault_admin_secrets').values({ id, sealed }).execute();
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
          await tx.deleteFrom('vault_secrets').where('resource_id', '=', before.id).execute();
          if (before.admin === null) return;
          await tx.deleteFrom('vault_admin_secrets').where('id', '=', before.admin.secret).execute();
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
    const { id, name, protocol, host, port, database, tls, durability, catalogAccess, resultDigest, status } =
      resource;
    const password = status === 'retired' ? '' : await this.#password(resource);
    return {
      ...{ id, name, protocol, host, port, database, tls, durability, catalogAccess, resultDigest, status },
      upstream: { user: resource.upstream.user, password },
      admin: status === 'retired' ? null : await this.#admin(resource),
    };
  }

  async #admin({ name, admin }: Resource): Promise<Login | null> {
    if (admin === null) return null;
    const row = await this.#db
      .selectFrom('vault_admin_secrets')
      .select('sealed')
      .where('id', '=', admin.secret)
      .executeTakeFirst();
    if (!row)
      throw new PosternError('POSTERN_INTERNAL', `The vault holds no administering secret for ${name}.`);
    return {
      user: admin.user,
      password: this.#box.open(row.sealed, adminContext(admin.secret)).toString('utf8'),
    };
  }

  async #password(resource: Resource): Promise<string> {
    const row = await this.#db
      .selectFrom('vault_secrets')
      .select('sealed')
      .where('resource_id', '=', resource.id)
      .executeTakeFirst();
    if (!row) {
      throw new PosternError('POSTERN_INTERNAL', `The vault holds no secret for ${resource.name}.`);
    }
    return this.#box.open(row.sealed, context(resource.id)).toString('utf8');
  }
}

const context = (id: string): string => `resource:${id}`;
const adminContext = (id: string): string => `resource-admin:${id}`;

function adminOf(login: Login): { user: string; secret: string } {
  return { user: checkText(login.user, 'administering user', IDENTIFIER_MAX), secret: uuidv7() };
}

/** A DNS name or an IP address, as it is dialled: no port, no path, no socket directory. */
function checkHost(host: string, what: string): string {
  const text = host.trim().toLowerCase();
  const label = '[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?';
  const dns = new RegExp(`^${label}(\\.${label})*\\.?$`);
  // A name that ends in a number (127.1, 0x7f.1) is dialled as an address by some resolvers.
  const numeric = /(^|\.)(0x[0-9a-f]*|[0-9]+)\.?$/.test(text);
  if (isIP(text) === 0 && (text.length > 253 || numeric || !dns.test(text))) {
    throw new PosternError('POSTERN_INVALID', `The ${what} is neither a DNS name nor an IP address.`);
  }
  return text;
}

function checkPort(port: number): number {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new PosternError('POSTERN_INVALID', 'The port is a number from 1 to 65535.');
  }
  return port;
}

function checkTls(tls: NewResource['tls']): TlsSettings {
  const ca = tls.ca === undefined ? null : checkCa(tls.ca);
  const serverName = tls.serverName === undefined ? null : checkHost(tls.serverName, 'TLS server name');
  const negotiation = tls.negotiation ?? 'postgres';
  if (tls.mode === 'disable' && (ca !== null || serverName !== null || negotiation === 'direct')) {
    throw new PosternError(
      'POSTERN_INVALID',
      'TLS is disabled, so a CA, a server name or direct negotiation has no meaning.',
    );
  }
  return { mode: tls.mode, ca, serverName, negotiation };
}

/** One or more certificates in PEM, and nothing else. */
function checkCa(pem: string): string {
  const invalid = (why: string): PosternError =>
    new PosternError('POSTERN_INVALID', `The TLS CA ${why}.`, 'Give the PEM text of the CA certificate.');
  if (pem.length > CA_MAX) throw invalid(`is longer than ${CA_MAX} characters`);
  if (pem.includes('PRIVATE KEY')) throw invalid('holds a private key, which does not belong here');
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw invalid('holds no certificate');
  for (const block of blocks) {
    try {
      new X509Certificate(block);
    } catch {
      throw invalid('is not a valid certificate');
    }
  }
  return `${blocks.join('\n')}\n`;
}

function checkPassword(password: string): Buffer {
  const bytes = Buffer.from(password, 'utf8');
  if (bytes.length === 0 || bytes.length > PASSWORD_MAX || bytes.includes(0)) {
    throw new PosternError(
      'POSTERN_INVALID',
      `The upstream password is 1 to ${PASSWORD_MAX} bytes without NUL.`,
    );
  }
  return bytes;
}
