import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { newPassword } from '../core/scram.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { UpstreamLogin } from '../core/views.ts';
import type { HeldLogin, Resource } from '../store/entities.ts';
import type { StateDb } from '../store/store.ts';
import type { SecretBox } from '../vault/secrets.ts';
import type { SourcedSecrets } from './sourced-secrets.ts';

const PASSWORD_MAX = 1024;

/** Which of a resource's two credentials. */
export const LOGINS = ['upstream', 'admin'] as const;
export type LoginKind = (typeof LOGINS)[number];

/** A password that is to take the place of the present one: the resource has one of the two. */
export interface PendingSecret {
  readonly id: string;
  readonly resource: string;
  readonly login: LoginKind;
  /** Who asked for it, and why. */
  readonly actor: Actor;
  readonly reason: string;
  /** RFC 3339. */
  readonly since: string;
}

/** Passwords that are kept elsewhere. */
export type Sourced = Pick<SourcedSecrets, 'prepare' | 'login'>;

/**
 * The passwords of resources in the vault. Each has an id, which the resource's record names and to which its sealed form is bound:
 * a sealed value of another resource, of the other credential, or of before a change does not open in its place.
 */
export class ResourceSecrets {
  readonly #db: StateDb;
  readonly #box: SecretBox;
  readonly #sourced: Sourced;

  constructor(db: StateDb, box: SecretBox, sourced: Sourced) {
    this.#db = db;
    this.#box = box;
    this.#sourced = sourced;
  }

  /** Looks whether a reference can be used. @throws PosternError POSTERN_INVALID */
  async prepareSource(reference: string | undefined): Promise<void> {
    if (reference !== undefined) await this.#sourced.prepare(reference);
  }

  /** @throws PosternError POSTERN_INVALID for a password that no server takes */
  async keep(db: StateDb, login: LoginKind, id: string, password: string): Promise<void> {
    const bytes = checkPassword(password);
    const sealed = this.#box.seal(bytes, contextOf(login, id));
    bytes.fill(0);
    await db.insertInto(tableOf(login)).values({ id, sealed }).execute();
  }

  async forget(db: StateDb, login: LoginKind, id: string | null): Promise<void> {
    if (id !== null) await db.deleteFrom(tableOf(login)).where('id', '=', id).execute();
  }

  /** @throws PosternError POSTERN_INTERNAL when the secret is missing or cannot be opened */
  async open(login: LoginKind, id: string, name: string): Promise<string> {
    const row = await this.#db
      .selectFrom(tableOf(login))
      .select('sealed')
      .where('id', '=', id)
      .executeTakeFirst();
    if (!row) {
      const which = login === 'admin' ? 'administering secret' : 'secret';
      throw new PosternError('POSTERN_INTERNAL', `The vault holds no ${which} for ${name}.`);
    }
    const bytes = this.#box.open(row.sealed, contextOf(login, id));
    const password = bytes.toString('utf8');
    bytes.fill(0);
    return password;
  }

  /** What a worker needs to log in there. @throws PosternError as `open` */
  upstream(resource: Resource): Promise<UpstreamLogin> {
    return this.#login(resource, 'upstream', resource.upstream);
  }

  /** What a worker needs to administer there; null where it does not. @throws PosternError as `open` */
  async admin(resource: Resource): Promise<UpstreamLogin | null> {
    return resource.admin === null ? null : this.#login(resource, 'admin', resource.admin);
  }

  async #login(
    { id, name }: Resource,
    login: LoginKind,
    { user, secret, source }: HeldLogin,
  ): Promise<UpstreamLogin> {
    if (source !== null) return this.#sourced.login(user, source);
    const password = await this.open(login, secret, name);
    const pending = await this.pending(id, login);
    return {
      ...{ user, password },
      ...(pending !== null && { other: await this.open(login, pending.id, name) }),
    };
  }

  /** What is to take the place of a password; null where nothing is. */
  async pending(resource: string, login: LoginKind): Promise<PendingSecret | null> {
    const all = await this.allPending();
    return all.find((each) => each.resource === resource && each.login === login) ?? null;
  }

  async allPending(): Promise<PendingSecret[]> {
    const rows = await this.#db.selectFrom('vault_pending').selectAll().orderBy('id').execute();
    return rows.map(({ id, resource_id, login, actor, reason, since }) => ({
      ...{ id, resource: resource_id, login, reason, since },
      actor: JSON.parse(actor) as Actor,
    }));
  }

  /** Makes a password that is to take the place of the present one, durably. Only while no change is under way. */
  async prepare(resource: Resource, login: LoginKind, actor: Actor, reason: string): Promise<PendingSecret> {
    const made: PendingSecret = {
      ...{ id: uuidv7(), resource: resource.id, login, actor, reason },
      since: rfc3339(nowMicros()),
    };
    await this.#db.transaction().execute(async (tx) => {
      await this.keep(tx, login, made.id, newPassword());
      await tx
        .insertInto('vault_pending')
        .values({
          ...{ id: made.id, resource_id: resource.id, login, reason, since: made.since },
          actor: JSON.stringify(actor),
        })
        .execute();
    });
    return made;
  }

  /** It has taken its place. */
  async settle(db: StateDb, { id }: PendingSecret): Promise<void> {
    await db.deleteFrom('vault_pending').where('id', '=', id).execute();
  }

  /** It will not take any place any more. */
  async abandon(db: StateDb, resource: string, login: LoginKind): Promise<void> {
    const rows = await db
      .deleteFrom('vault_pending')
      .where('resource_id', '=', resource)
      .where('login', '=', login)
      .returning('id')
      .execute();
    for (const { id } of rows) await this.forget(db, login, id);
  }
}

const tableOf = (login: LoginKind) => (login === 'admin' ? 'vault_admin_secrets' : 'vault_secrets');

const contextOf = (login: LoginKind, id: string): string =>
  login === 'admin' ? `resource-admin:${id}` : `resource:${id}`;

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
