import { randomBytes, timingSafeEqual } from 'node:crypto';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { Directory, GroupRoles } from '../store/entities.ts';
import { findDirectory, listDirectories, listGroups } from '../store/people-queries.ts';
import { found } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { rolesFrom } from './directory-roles.ts';
import { atMillis, checkName, checkReason, checkTtl } from './input.ts';
import { checkGroupRoles } from './roles.ts';
import { sha256 } from './tokens.ts';

const PATTERN = /^scim_[A-Za-z0-9_-]{43}$/;
const DAY = 86_400;
const TTL_DEFAULT = 180 * DAY;
const TTL_MAX = 366 * DAY;
const LAST_USED_STEP_MS = 60_000;

export interface IssuedDirectory {
  readonly directory: Directory;
  /** Shown once: only its hash is kept. */
  readonly token: string;
}

interface MadeToken {
  readonly token: string;
  readonly expiresAt: string;
}

/** Directories that tell of joiners and leavers with SCIM, each with a token of its own that is good for nothing else. */
export class Directories {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;

  constructor(db: StateDb, changes: ChangeLog) {
    this.#db = db;
    this.#changes = changes;
  }

  /** @param input.ttlSeconds of its token, at most 366 days, default 180 */
  create(
    actor: Actor,
    input: { readonly name: string; readonly groups: GroupRoles; readonly ttlSeconds?: number | undefined },
  ): Promise<IssuedDirectory> {
    const made = makeToken(input.ttlSeconds);
    return this.#changes.run(actor, async (db) => {
      const name = checkName(input.name, 'directory');
      if (await findDirectory(db, name)) {
        throw new PosternError('POSTERN_CONFLICT', `The name ${name} is or was in use.`);
      }
      const after: Directory = {
        id: uuidv7(),
        name,
        groups: checkGroupRoles(input.groups),
        tokenExpiresAt: made.expiresAt,
        status: 'active',
        statusReason: null,
        createdAt: rfc3339(nowMicros()),
      };
      return {
        changes: [{ type: 'directory.created', entity: 'directory', before: null, after }],
        beside: (tx) => keepToken(tx, after.id, made),
        result: { directory: after, token: made.token },
      };
    });
  }

  list(): Promise<Directory[]> {
    return listDirectories(this.#db);
  }

  /** A new token; the one of before ends at once. */
  renew(actor: Actor, ref: string, ttlSeconds: number | undefined): Promise<IssuedDirectory> {
    const made = makeToken(ttlSeconds);
    return this.#changes.run(actor, async (db) => {
      const before = await active(db, ref);
      const after: Directory = { ...before, tokenExpiresAt: made.expiresAt };
      const reason = 'a new token; the one before ended';
      return {
        changes: [{ type: 'directory.updated', entity: 'directory', before, after, reason }],
        beside: (tx) => keepToken(tx, after.id, made),
        result: { directory: after, token: made.token },
      };
    });
  }

  /** Changes which groups give which roles, and with it the roles of everybody in them. */
  update(actor: Actor, ref: string, groups: GroupRoles, reason: string): Promise<Directory> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = await active(db, ref);
      const after: Directory = { ...before, groups: checkGroupRoles(groups) };
      const people = await rolesFrom(db, after, await listGroups(db, after.id), why);
      return {
        changes: [{ type: 'directory.updated', entity: 'directory', before, after, reason: why }, ...people],
        result: after,
      };
    });
  }

  /** It tells of nobody any more. People stay; the roles that its groups gave them end. */
  remove(actor: Actor, ref: string, reason: string): Promise<Directory> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = await active(db, ref);
      const after: Directory = { ...before, status: 'removed', statusReason: why };
      const people = await rolesFrom(db, after, [], why);
      return {
        changes: [{ type: 'directory.removed', entity: 'directory', before, after, reason: why }, ...people],
        beside: async (tx) => {
          await tx.deleteFrom('directory_tokens').where('directory_id', '=', before.id).execute();
        },
        result: after,
      };
    });
  }

  /** Whose token it is. @throws PosternError POSTERN_UNAUTHORIZED, with one message for every reason */
  async authenticate(token: string): Promise<Directory> {
    const hash = sha256(token);
    const row = PATTERN.test(token)
      ? await this.#db
          .selectFrom('directory_tokens')
          .selectAll()
          .where('token_hash', '=', hash)
          .executeTakeFirst()
      : undefined;
    const now = Date.now();
    if (row && timingSafeEqual(row.token_hash, hash) && Date.parse(row.expires_at) > now) {
      if (row.last_used_at === null || Date.parse(row.last_used_at) + LAST_USED_STEP_MS < now) {
        const used = this.#db.updateTable('directory_tokens').set({ last_used_at: atMillis(now) });
        await used.where('directory_id', '=', row.directory_id).execute();
      }
      const directory = await findDirectory(this.#db, row.directory_id);
      if (directory?.status === 'active') return directory;
    }
    throw new PosternError(
      'POSTERN_UNAUTHORIZED',
      'The token of the directory is missing, unknown or expired.',
    );
  }
}

async function active(db: StateDb, ref: string): Promise<Directory> {
  const directory = found(await findDirectory(db, ref), 'directory', ref);
  if (directory.status === 'active') return directory;
  throw new PosternError('POSTERN_CONFLICT', `The directory ${directory.name} was removed.`);
}

function makeToken(ttlSeconds = TTL_DEFAULT): MadeToken {
  checkTtl(ttlSeconds, TTL_MAX, 'token of a directory');
  return {
    token: `scim_${randomBytes(32).toString('base64url')}`,
    expiresAt: rfc3339(nowMicros() + ttlSeconds * 1_000_000),
  };
}

async function keepToken(tx: StateDb, id: string, { token, expiresAt }: MadeToken): Promise<void> {
  const row = { directory_id: id, token_hash: sha256(token), expires_at: expiresAt, last_used_at: null };
  await tx
    .insertInto('directory_tokens')
    .values(row)
    .onConflict((c) => c.column('directory_id').doUpdateSet(row))
    .execute();
}
