/**
 * Roles that are made for one session each, in databases whose resource has an administering credential: what the scope says is then
 * enforced by the database as well, and its own log says who it was.
 *
 * A role per grant and database (`grantRole`) holds the privileges, and is made when a session needs it first and brought up to
 * date when what it comes to changes. A role per session (`sessionRole`) is a member of those of its grants, can log in
 * once, and is dropped when the session ends. What a crash leaves is swept: each worker drops what it or its predecessor
 * made and no session of it has, and the first one what belongs to workers or grants that are no more.
 */
import { createHash, randomBytes } from 'node:crypto';
import { PosternError } from '../../core/errors.ts';
import { scramVerifier } from '../../core/scram.ts';
import type { GrantView, ResourceView } from '../../core/views.ts';
import type { Gateway } from '../contract.ts';
import { isActive } from '../grant-conditions.ts';
import { AdminConnection } from './admin-connection.ts';

import type { RelationCatalog } from './names.ts';
import {
  type GrantMark,
  grantMarkStart,
  grantRole,
  type SessionMark,
  sessionRole,
  validUntil,
  writeMark,
} from './role-names.ts';
import { ownedSequences, routines } from './role-objects.ts';
import { grantStatements, ident, literal, needsOwner } from './role-privileges.ts';
import { dropSessionRole, ONE_AT_A_TIME, sweep, UNDEFINED_OBJECT } from './role-sweep.ts';
import { compileScope, parseScope } from './scope.ts';
import { ServerError } from './server-error.ts';
import { WireError } from './wire.ts';

const SWEEP_MS = 60_000;
/** From here on a membership says whether it lets the member SET ROLE. */
const MEMBERSHIP_OPTIONS_SINCE = 16;

/** For whom a role is made. */
export interface RoleRequest {
  readonly session: string;
  readonly principal: string;
  readonly resource: ResourceView;
  readonly database: string;
  readonly grants: readonly GrantView[];
  readonly catalog: RelationCatalog;
}

/** The role of a session, for as long as it lasts. */
export interface SessionRole {
  readonly user: string;
  readonly password: string;
  /** Ids of the grants whose privileges it has. */
  readonly grants: Set<string>;
}

interface Place {
  readonly connection: AdminConnection;
  /** Another one, so that no session waits until roles are dropped. */
  readonly tidying: AdminConnection;
  /** Whether the administering user is one; null until it was asked. */
  superuser: boolean | null;
  /** By id: the grants whose roles are there, and the names by which what they have was last looked at. */
  readonly granted: Map<string, { readonly grant: GrantView; readonly catalog: RelationCatalog }>;
}

export class SessionRoles {
  readonly #gateway: Gateway;
  /** Of this process. */
  readonly boot = randomBytes(4).toString('hex');
  readonly #places = new Map<string, Place>();
  readonly #administered = new WeakMap<ResourceView, ResourceView>();
  /** Ids of the sessions whose role is made, or being made. */
  readonly #live = new Set<string>();

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
    setInterval(() => this.#sweepAll(), SWEEP_MS).unref();
    setTimeout(() => this.#sweepAll(), 1000).unref();
  }

  /** Ids of the sessions that have a role of their own, or are about to. */
  get live(): ReadonlySet<string> {
    return this.#live;
  }

  /**
   * Makes the role of a session; null where no role can be made for what the grants give (see `needsOwner`), so that the session is
   * the fixed upstream user.
   *
   * @throws PosternError POSTERN_UPSTREAM_UNAVAILABLE
   */
  async open(request: RoleRequest): Promise<SessionRole | null> {
    const { resource, session } = request;
    const place = this.#placeOf(resource, request.database);
    this.#live.add(session);
    try {
      const usable = await this.#expressible(place, request.grants);
      if (usable.length < request.grants.length) {
        this.#live.delete(session);
        return null;
      }
      return await this.#make(place, request);
    } catch (error) {
      this.#live.delete(session);
      throw unavailable(resource, error);
    }
  }

  /** What the database holds was read anew, or a grant was narrowed: the roles of the grants have what they are due, and no more. */
  async refresh({
    resource,
    database,
    catalog,
  }: Pick<RoleRequest, 'resource' | 'database' | 'catalog'>): Promise<void> {
    const place = this.#placeOf(resource, database);
    for (const [id, { grant: known, catalog: before }] of place.granted) {
      const all = this.#gateway.directory.grantsOf(known.principalId, known.resourceId);
      const grant = all.find((each) => each.id === id) ?? known;
      if (before === catalog && grant.scope === known.scope) continue;
      if (!isActive(grant, Date.now())) {
        place.granted.delete(id);
        continue;
      }
      place.granted.set(id, { grant, catalog });
      await this.#upToDate(place, { catalog, database }, grant, grantRole(id, database));
    }
  }

  /** Gives the role what further grants give, as far as GRANT can say it; `role.grants` has them then. */
  async join(role: SessionRole, request: RoleRequest): Promise<void> {
    const place = this.#placeOf(request.resource, request.database);
    const usable = await this.#expressible(place, request.grants);
    if (usable.length === 0) return;
    const names = await this.#grantRoles(place, { ...request, grants: usable });
    await place.connection.run(membership(place, names, role.user));
    for (const grant of usable) role.grants.add(grant.id);
  }

  /** The session is over. What fails now is tried again by the sweep. */
  close(
    role: SessionRole,
    { session, resource, database }: Pick<RoleRequest, 'session' | 'resource' | 'database'>,
  ): void {
    this.#live.delete(session);
    const { tidying } = this.#placeOf(resource, database);
    dropSessionRole(tidying, role.user, resource.upstream.user).catch((error: unknown) => {
      console.error(`postern: role ${role.user} on ${resource.name} is dropped later: ${String(error)}`);
    });
  }

  /** Whether the administering credential can do its work; says so in one line. @throws Error that says what is missing */
  async test(resource: ResourceView): Promise<string> {
    const { connection } = this.#placeOf(resource, resource.database);
    const name = `postern_test_${randomBytes(6).toString('hex')}`;
    // An error takes all of it back, and so does the last statement.
    await connection.run(
      `begin; create role ${ident(name)} login; grant connect on database ${ident(resource.database)} to ${ident(name)}; rollback`,
    );
    return `${resource.admin?.user ?? ''} makes roles`;
  }

  #placeOf(resource: ResourceView, database: string): Place {
    if (resource.admin === null) throw new Error('a resource without an administering credential');
    const key = keyOf(resource, resource.admin.user, database);
    // A session that began before the credential was replaced comes back with the old one.
    const now = this.#gateway.directory.resource(resource.id) ?? resource;
    const same = now.admin !== null && keyOf(now, now.admin.user, database) === key;
    const asAdmin = this.#asAdmin(same ? now : resource);
    let place = this.#places.get(key);
    if (place === undefined) {
      const connect = () => new AdminConnection(asAdmin, database, this.#gateway.limits.upstreamMs);
      place = { connection: connect(), tidying: connect(), superuser: null, granted: new Map() };
      this.#places.set(key, place);
    }
    place.connection.follow(asAdmin);
    place.tidying.follow(asAdmin);
    return place;
  }

  /** The resource with its administering credential as the upstream one; the same object for the same resource. */
  #asAdmin(resource: ResourceView): ResourceView {
    let asAdmin = this.#administered.get(resource);
    if (asAdmin === undefined) {
      asAdmin = { ...resource, upstream: resource.admin ?? resource.upstream };
      this.#administered.set(resource, asAdmin);
    }
    return asAdmin;
  }

  async #expressible(place: Place, grants: readonly GrantView[]): Promise<readonly GrantView[]> {
    if (place.connection.serverVersion === 0) await place.connection.run('select 1');
    const { serverVersion } = place.connection;
    return grants.filter((grant) => !needsOwner(parseScope(grant.scope), serverVersion));
  }

  async #make(place: Place, request: RoleRequest): Promise<SessionRole> {
    const { session, principal, resource, database, grants } = request;
    const user = sessionRole(principal, session);
    const password = randomBytes(32).toString('base64url');
    const verifier = await scramVerifier(password, randomBytes(16));
    const mark: SessionMark = {
      kind: 'session',
      installation: this.#gateway.installation,
      worker: this.#gateway.worker,
      boot: this.boot,
      session,
      database,
    };
    const create =
      `create role ${ident(user)} login nosuperuser nocreatedb nocreaterole inherit connection limit 1 ` +
      `password ${literal(verifier)} valid until ${literal(validUntil(grants))}; ` +
      `comment on role ${ident(user)} is ${literal(writeMark(mark))}; ` +
      // What the session makes will be its own: only a member may pass on rights to it, and take it over in the end.
      (await this.#asMember(place, user)).map((each) => `${each}; `).join('');
    const attempt = async (): Promise<void> => {
      const names = await this.#grantRoles(place, request);
      await place.connection.run(create + membership(place, names, user));
    };
    try {
      await attempt();
    } catch (error) {
      // The role of a grant was swept.
      if (!(error instanceof ServerError) || error.sqlstate !== UNDEFINED_OBJECT) throw error;
      for (const grant of grants) place.granted.delete(grant.id);
      await attempt();
    }
    if (resource.status !== 'active') throw new WireError('the resource was retired');
    return { user, password, grants: new Set(grants.map((grant) => grant.id)) };
  }

  /** The roles of the grants, which have what the scopes come to in the database as it is now. */
  async #grantRoles(place: Place, request: RoleRequest): Promise<string[]> {
    const names: string[] = [];
    for (const grant of request.grants) {
      const name = grantRole(grant.id, request.database);
      names.push(name);
      const known = place.granted.get(grant.id);
      if (known?.catalog === request.catalog && known.grant.scope === grant.scope) continue;
      await this.#upToDate(place, request, grant, name);
      place.granted.set(grant.id, { grant, catalog: request.catalog });
    }
    return names;
  }

  async #upToDate(
    place: Place,
    { catalog, database }: Pick<RoleRequest, 'catalog' | 'database'>,
    grant: GrantView,
    role: string,
  ): Promise<void> {
    const { connection } = place;
    const statements = grantStatements({
      scope: compileScope(parseScope(grant.scope)),
      catalog,
      database,
      role,
      serverVersion: connection.serverVersion,
      sequencesOf: await ownedSequences(connection),
      routines: await routines(connection),
    });
    const hash = createHash('sha256').update(statements.join(';')).digest('hex').slice(0, 16);
    const mark: GrantMark = {
      kind: 'grant',
      installation: this.#gateway.installation,
      grant: grant.id,
      principal: grant.principalId,
      database,
      privileges: hash,
    };
    const comment = writeMark(mark);
    const [row] = await connection.run(
      `select pg_catalog.shobj_description(oid, 'pg_authid') from pg_catalog.pg_roles where rolname = ${literal(role)}`,
    );
    if (row?.[0] === comment) return;
    await connection.run(
      [
        ONE_AT_A_TIME,
        makeOwn(role, grantMarkStart(mark)),
        ...(await this.#asMember(place, role)),
        `drop owned by ${ident(role)}`,
        ...statements,
        `comment on role ${ident(role)} is ${literal(comment)}`,
      ].join('; '),
    );
  }

  /** Who is no superuser must be a member of a role to act for it. */
  async #asMember(place: Place, role: string): Promise<string[]> {
    if (place.superuser === null) {
      const [row] = await place.connection.run(
        'select rolsuper from pg_catalog.pg_roles where rolname = current_user',
      );
      place.superuser = row?.[0] === 't';
    }
    return place.superuser ? [] : [`grant ${ident(role)} to current_user`];
  }

  /** Whichever resource it is a grant of: several may be on one server. */
  #isOver({ principal, grant }: GrantMark): boolean {
    const { directory } = this.#gateway;
    for (const { id } of directory.resources()) {
      const known = directory.grantsOf(principal, id);
      if (known.some((each) => each.id === grant && isActive(each, Date.now()))) return false;
    }
    return true;
  }

  #sweepAll(): void {
    for (const resource of this.#gateway.directory.resources()) {
      if (resource.status !== 'active' || resource.admin === null) continue;
      sweep({
        connection: this.#placeOf(resource, resource.database).tidying,
        connectionTo: (database) => this.#placeOf(resource, database).tidying,
        heir: resource.upstream.user,
        installation: this.#gateway.installation,
        worker: this.#gateway.worker,
        workers: this.#gateway.workers,
        boot: this.boot,
        isLive: (session) => this.#live.has(session),
        isOver: (mark) => this.#isOver(mark),
      }).catch((error: unknown) => {
        console.error(`postern: roles on ${resource.name} could not be swept: ${String(error)}`);
      });
    }
  }
}

/**
 * Makes the role of a grant, where it is not there: one by that name that Postern did not make may be able to do anything.
 *
 * @param mark what the comment on Postern's own begins with
 */
function makeOwn(role: string, mark: string): string {
  const comment = `pg_catalog.shobj_description(oid, 'pg_authid')`;
  return `do ${literal(
    `begin
       if not exists (select from pg_catalog.pg_roles where rolname = ${literal(role)}) then
         create role ${ident(role)} nologin;
       elsif not exists (select from pg_catalog.pg_roles where rolname = ${literal(role)}
                            and pg_catalog.starts_with(${comment}, ${literal(mark)})) then
         raise exception 'role % was not made by this gateway', ${literal(role)};
       end if;
     end`,
  )}`;
}

function keyOf({ id, host, port }: ResourceView, user: string, database: string): string {
  return JSON.stringify([id, host, port, user, database]);
}

function membership(place: Place, groups: readonly string[], member: string): string {
  const options =
    place.connection.serverVersion >= MEMBERSHIP_OPTIONS_SINCE ? ' with inherit true, set false' : '';
  return `grant ${groups.map(ident).join(', ')} to ${ident(member)}${options}`;
}

function unavailable(resource: ResourceView, error: unknown): PosternError {
  if (error instanceof PosternError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new PosternError(
    'POSTERN_UPSTREAM_UNAVAILABLE',
    `resource "${resource.name}": no role could be made for the session: ${why}`,
    `See what its administering credential lacks: postern resource test ${resource.name}`,
  );
}
