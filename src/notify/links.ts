import { createHash, randomBytes } from 'node:crypto';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { rfc3339 } from '../core/time.ts';
import { endedLink } from '../identity/endings.ts';
import { checkName, checkReason, checkTtl } from '../identity/input.ts';
import { personActor, SYSTEM } from '../identity/persons.ts';
import type { Change, ChangeLog } from '../store/changes.ts';
import { findChannel, findLink, listLinks, slackIdentifier } from '../store/notify.ts';
import type { Link } from '../store/notify-entities.ts';
import { findPerson, found, type Page } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import type { SecretBox } from '../vault/secrets.ts';
import { newSigningSecret } from './signatures.ts';

const HOOK_TTL_SECONDS = 30 * 86_400;
const HOOK_TTL_MAX = 90 * 86_400;
const HOOKS_MAX = 5;
const CODE_MS = 600_000;
const CODES_MAX = 1000;

/** A code that its person types in Slack. */
interface Pending {
  readonly person: string;
  readonly channel: string;
  readonly endsMs: number;
}

export interface MadeHook {
  readonly link: Link;
  /** Shown once. */
  readonly signingSecret: string;
}

/**
 * By what people decide on requests from elsewhere. Each is of one person, who made it after showing who they are; nobody makes one
 * for somebody else, since it would carry their word. It opens nothing else.
 */
export class Links {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #box: SecretBox;
  readonly #clock: () => number;
  /** By the digest of the code. They end with the process. */
  readonly #codes = new Map<string, Pending>();

  /** @param clock microseconds since the Unix epoch */
  constructor(db: StateDb, changes: ChangeLog, box: SecretBox, clock: () => number) {
    this.#db = db;
    this.#changes = changes;
    this.#box = box;
    this.#clock = clock;
  }

  /**
   * A system that signs in the person's name.
   *
   * @param ttlSeconds default 30 days, at most 90
   */
  addHook(
    actor: Actor,
    input: { readonly name: string; readonly ttlSeconds?: number | undefined },
  ): Promise<MadeHook> {
    const ttl = checkTtl(input.ttlSeconds ?? HOOK_TTL_SECONDS, HOOK_TTL_MAX, 'hook');
    return this.#changes.run(actor, async (db) => {
      const person = found(await findPerson(db, actor.id), 'person', actor.id);
      const own = await listLinks(db, { status: 'active', person: person.id });
      if (own.filter(({ kind }) => kind === 'hook').length >= HOOKS_MAX) {
        throw new PosternError('POSTERN_CONFLICT', `${person.name} has ${HOOKS_MAX} hooks already.`);
      }
      const now = this.#clock();
      const link: Link = {
        ...{ id: uuidv7(), name: checkName(input.name, 'hook'), kind: 'hook' },
        person: { id: person.id, name: person.name },
        expiresAt: rfc3339(now + ttl * 1_000_000),
        ...{ status: 'active', endReason: null, endedAt: null, createdAt: rfc3339(now) },
      };
      const signingSecret = newSigningSecret();
      return {
        changes: [{ type: 'link.added', entity: 'link', before: null, after: link }],
        secrets: async (tx) => {
          const sealed = this.#box.seal(Buffer.from(signingSecret), `link:${link.id}`);
          await tx.insertInto('link_secrets').values({ link_id: link.id, sealed }).execute();
        },
        result: { link, signingSecret },
      };
    });
  }

  /**
   * A code by which the person's account in Slack becomes theirs, when they type it there within ten minutes. It goes from here to
   * Slack and not the other way: a link from Slack could be handed to somebody else to open.
   */
  async slackCode(
    actor: Actor,
    channelRef: string,
  ): Promise<{ readonly code: string; readonly endsAt: string }> {
    const channel = found(await findChannel(this.#db, channelRef), 'channel', channelRef);
    if (channel.status !== 'active' || channel.kind !== 'slack' || !channel.settings.buttons) {
      throw new PosternError('POSTERN_CONFLICT', `${channel.name} is no Slack channel with buttons.`);
    }
    const nowMs = this.#clock() / 1000;
    for (const [digest, { person, endsMs }] of this.#codes) {
      if (endsMs <= nowMs || person === actor.id) this.#codes.delete(digest);
    }
    if (this.#codes.size >= CODES_MAX) {
      throw new PosternError('POSTERN_TOO_MANY_REQUESTS', 'Too many codes wait. Try again in ten minutes.');
    }
    const code = randomBytes(15).toString('base64url');
    const endsMs = nowMs + CODE_MS;
    this.#codes.set(digestOf(code), { person: actor.id, channel: channel.id, endsMs });
    return { code, endsAt: rfc3339(Math.floor(endsMs) * 1000) };
  }

  /**
   * The account that typed a code becomes that of the code's person. One that they had through the channel ends.
   *
   * @throws PosternError POSTERN_UNAUTHORIZED for a code that is not good; POSTERN_CONFLICT where the account is somebody's already
   */
  async addSlack(
    channelId: string,
    code: string,
    account: { readonly team: string; readonly user: string },
  ): Promise<Link> {
    const pending = this.#take(channelId, code);
    const { team, user } = account;
    const person = found(await findPerson(this.#db, pending.person), 'person', pending.person);
    return this.#changes.run(personActor(person), async (db) => {
      if ((await findPerson(db, person.id))?.status !== 'active') throw badCode();
      const channel = found(await findChannel(db, channelId), 'channel', channelId);
      const held = await listLinks(db, {
        status: 'active',
        identifier: slackIdentifier(channelId, team, user),
      });
      if (held.some((link) => link.person.id !== person.id)) {
        throw new PosternError('POSTERN_CONFLICT', 'This account is linked to somebody else.');
      }
      const at = rfc3339(this.#clock());
      const own = (await listLinks(db, { status: 'active', person: person.id })).filter(
        (link) => link.kind === 'slack' && link.channel.id === channelId,
      );
      const link: Link = {
        ...{ id: uuidv7(), name: `slack-${user.toLowerCase()}`, kind: 'slack', team, user },
        channel: { id: channel.id, name: channel.name },
        person: { id: person.id, name: person.name },
        ...{ expiresAt: null, status: 'active', endReason: null, endedAt: null, createdAt: at },
      };
      const changes: Change[] = [
        ...own.map((each) => endedLink(each, at, 'another account takes its place')),
        { type: 'link.added', entity: 'link', before: null, after: link },
      ];
      return { changes, result: link };
    });
  }

  /** @throws PosternError POSTERN_NOT_FOUND; POSTERN_CONFLICT where it has ended already */
  remove(actor: Actor, id: string, reason: string): Promise<Link> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = found(await findLink(db, id), 'link', id);
      if (before.status !== 'active') throw new PosternError('POSTERN_CONFLICT', 'It has ended already.');
      const change = endedLink(before, rfc3339(this.#clock()), why);
      return { changes: [change], beside: (tx) => this.#forget(tx, [before]), result: change.after as Link };
    });
  }

  /** Ends hooks whose time is over. Returns how many. */
  async expire(): Promise<number> {
    const filter = { status: 'active', expiredAt: rfc3339(this.#clock()) } as const;
    if ((await listLinks(this.#db, filter)).length === 0) return 0;
    return this.#changes.run(SYSTEM, async (db) => {
      const due = await listLinks(db, filter);
      const at = rfc3339(this.#clock());
      return {
        changes: due.map((link) => endedLink(link, at, 'its time is over')),
        beside: (tx) => this.#forget(tx, due),
        result: due.length,
      };
    });
  }

  /** @throws PosternError POSTERN_NOT_FOUND */
  async get(id: string): Promise<Link> {
    return found(await findLink(this.#db, id), 'link', id);
  }

  list(
    filter: { readonly person?: string | undefined; readonly status?: Link['status'] | undefined },
    page?: Page,
  ): Promise<Link[]> {
    return listLinks(this.#db, filter, page);
  }

  /** The link of an account in Slack that counts now. */
  async ofSlack(channelId: string, team: string, user: string): Promise<Link | undefined> {
    const identifier = slackIdentifier(channelId, team, user);
    return (await listLinks(this.#db, { status: 'active', identifier }))[0];
  }

  /** A hook that counts now, with its secret. */
  async hook(id: string): Promise<MadeHook | undefined> {
    const link = await findLink(this.#db, id);
    if (link?.kind !== 'hook' || link.status !== 'active') return undefined;
    if (link.expiresAt !== null && link.expiresAt <= rfc3339(this.#clock())) return undefined;
    const row = await this.#db
      .selectFrom('link_secrets')
      .select('sealed')
      .where('link_id', '=', id)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    return { link, signingSecret: this.#box.open(row.sealed, `link:${id}`).toString('utf8') };
  }

  #take(channelId: string, code: string): Pending {
    const digest = digestOf(code.slice(0, 100));
    const pending = this.#codes.get(digest);
    // Once, whatever comes of it.
    this.#codes.delete(digest);
    if (pending === undefined || pending.channel !== channelId || pending.endsMs <= this.#clock() / 1000)
      throw badCode();
    return pending;
  }

  async #forget(tx: StateDb, links: readonly Link[]): Promise<void> {
    const ids = links.map(({ id }) => id);
    await tx.deleteFrom('link_secrets').where('link_id', 'in', ids).execute();
  }
}

const digestOf = (code: string): string => createHash('sha256').update(code).digest('hex');

const badCode = (): PosternError =>
  new PosternError(
    'POSTERN_UNAUTHORIZED',
    'The code is not good, or its ten minutes are over.',
    'Make a new one: postern link slack CHANNEL',
  );
