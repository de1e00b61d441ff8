import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor, Ref } from '../core/record.ts';
import { rfc3339 } from '../core/time.ts';
import { endedLink } from '../identity/endings.ts';
import { checkName, checkReason } from '../identity/input.ts';
import type { Change, ChangeLog } from '../store/changes.ts';
import { findChannel, listChannels, listLinks } from '../store/notify.ts';
import type { Channel, Link } from '../store/notify-entities.ts';
import { found, type Page } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import type { SecretBox } from '../vault/secrets.ts';
import { type ChannelInput, checkedCommon, checkedKind } from './channel-input.ts';
import type { Secrets } from './message.ts';
import { newSigningSecret } from './signatures.ts';

const MOST_CHANNELS = 50;
const OVERLAP_MAX_SECONDS = 7 * 86_400;
const OVERLAP_SECONDS = 86_400;
const OTHER_HOST = 'Whose endpoint it is changes with it';

export interface NewChannel extends ChannelInput {
  readonly name: string;
  readonly kind: Channel['kind'];
}

/** A channel, and its signing secret where Postern made one: shown once. */
export interface MadeChannel {
  readonly channel: Channel;
  readonly signingSecret: string | null;
}

/** Where notifications go. Secrets are sealed in the vault, and in no record. */
export class Channels {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #box: SecretBox;
  readonly #clock: () => number;

  /** @param clock microseconds since the Unix epoch */
  constructor(db: StateDb, changes: ChangeLog, box: SecretBox, clock: () => number) {
    this.#db = db;
    this.#changes = changes;
    this.#box = box;
    this.#clock = clock;
  }

  /** @throws PosternError POSTERN_INVALID; POSTERN_CONFLICT where the name is or was in use */
  create(actor: Actor, input: NewChannel): Promise<MadeChannel> {
    return this.#changes.run(actor, async (db) => {
      const name = checkName(input.name, 'channel');
      if (await findChannel(db, name)) {
        throw new PosternError('POSTERN_CONFLICT', `The name ${name} is or was in use.`);
      }
      if ((await listChannels(db, { status: 'active' })).length >= MOST_CHANNELS) {
        throw new PosternError('POSTERN_CONFLICT', `There are at most ${MOST_CHANNELS} channels.`);
      }
      const at = rfc3339(this.#clock());
      const { secrets, ...kind } = checkedKind(input.kind, input);
      const channel: Channel = {
        ...{ id: uuidv7(), name },
        ...kind,
        ...checkedCommon(input),
        secrets: since(secrets, at),
        signingBy: signerOf(input.kind, secrets, actor),
        formerUntil: null,
        status: 'active',
        statusReason: null,
        createdAt: at,
      };
      const made = input.kind === 'webhook' && input.webhook?.signingSecret === undefined;
      return {
        changes: [{ type: 'channel.created', entity: 'channel', before: null, after: channel }],
        secrets: (tx) => this.#keep(tx, channel.id, secrets),
        result: { channel, signingSecret: made ? (secrets.signing ?? null) : null },
      };
    });
  }

  /**
   * Changes what is given; the rest stays. A new endpoint takes its secrets anew: those of before are not sent to another host.
   *
   * @throws PosternError POSTERN_INVALID, POSTERN_NOT_FOUND, POSTERN_CONFLICT
   */
  update(actor: Actor, ref: string, input: ChannelInput, reason: string): Promise<Channel> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = await this.#active(db, ref);
      const at = rfc3339(this.#clock());
      const { secrets, ...kind } = checkedKind(before.kind, input, before);
      requireSecretsAnew(before, kind as Channel, secrets);
      const after = {
        ...before,
        ...kind,
        ...checkedCommon(input, before),
        secrets: { ...before.secrets, ...since(secrets, at) },
        signingBy: signerOf(before.kind, secrets, actor) ?? before.signingBy,
      } as Channel;
      // Who gives another secret does not get the accounts that people linked under the one before.
      const links = secrets.signing === undefined ? [] : await linksOf(db, before);
      const changes: Change[] = [
        { type: 'channel.updated', entity: 'channel', before, after, reason: why },
        ...links.map((link) => endedLink(link, at, `the channel ${before.name} has another signing secret`)),
      ];
      return {
        changes,
        beside: (tx) => this.#keep(tx, after.id, secrets),
        result: after,
      };
    });
  }

  /**
   * A new signing secret for a webhook. Until the overlap is over both sign.
   *
   * @param overlapSeconds default a day, at most 7; 0: the old one ends at once
   */
  rotate(
    actor: Actor,
    ref: string,
    {
      reason,
      overlapSeconds = OVERLAP_SECONDS,
    }: { readonly reason: string; readonly overlapSeconds?: number | undefined },
  ): Promise<MadeChannel> {
    const why = checkReason(reason);
    if (!Number.isInteger(overlapSeconds) || overlapSeconds < 0 || overlapSeconds > OVERLAP_MAX_SECONDS) {
      throw new PosternError('POSTERN_INVALID', 'Both secrets sign for 0 to 7 days.');
    }
    return this.#changes.run(actor, async (db) => {
      const before = await this.#active(db, ref);
      if (before.kind !== 'webhook') {
        throw new PosternError('POSTERN_INVALID', 'Only a webhook has a signing secret that Postern makes.');
      }
      const signing = newSigningSecret();
      const { signing: former = '' } = await this.secretsOf(before, db);
      const now = this.#clock();
      const channel: Channel = {
        ...before,
        secrets: { ...before.secrets, signing: rfc3339(now) },
        formerUntil: overlapSeconds === 0 ? null : rfc3339(now + overlapSeconds * 1_000_000),
      };
      return {
        changes: [{ type: 'channel.updated', entity: 'channel', before, after: channel, reason: why }],
        beside: (tx) => this.#keep(tx, channel.id, { signing, former }),
        result: { channel, signingSecret: signing },
      };
    });
  }

  /** Nothing goes there any more; its secrets are destroyed, and the accounts that were linked through it end. */
  retire(actor: Actor, ref: string, reason: string): Promise<Channel> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = await this.#active(db, ref);
      const after: Channel = {
        ...before,
        secrets: {},
        formerUntil: null,
        status: 'retired',
        statusReason: why,
      };
      const links = await linksOf(db, before);
      const at = rfc3339(this.#clock());
      const changes: Change[] = [
        { type: 'channel.retired', entity: 'channel', before, after, reason: why },
        ...links.map((link) => endedLink(link, at, `the channel ${before.name} was retired`)),
      ];
      return {
        changes,
        beside: async (tx) => {
          await tx.deleteFrom('channel_secrets').where('channel_id', '=', before.id).execute();
          await tx
            .updateTable('deliveries')
            .set({
              status: 'dropped',
              error: 'the channel was retired',
              ended_ms: Math.floor(this.#clock() / 1000),
            })
            .where('channel_id', '=', before.id)
            .where('status', '=', 'waiting')
            .execute();
        },
        result: after,
      };
    });
  }

  /** @throws PosternError POSTERN_NOT_FOUND */
  async get(ref: string): Promise<Channel> {
    return found(await findChannel(this.#db, ref), 'channel', ref);
  }

  list(status?: Channel['status'], page?: Page): Promise<Channel[]> {
    return listChannels(this.#db, { status }, page);
  }

  /** What is sealed for a channel; the signing secret of before only for as long as it counts. */
  async secretsOf({ id, formerUntil }: Channel, db: StateDb = this.#db): Promise<Secrets> {
    const rows = await db.selectFrom('channel_secrets').selectAll().where('channel_id', '=', id).execute();
    const opened = Object.fromEntries(
      rows.map(({ name, sealed }) => [name, this.#box.open(sealed, contextOf(id, name)).toString('utf8')]),
    );
    if (formerUntil === null || formerUntil <= rfc3339(this.#clock())) delete opened.former;
    return opened;
  }

  async #keep(tx: StateDb, id: string, secrets: Secrets): Promise<void> {
    for (const [name, secret] of Object.entries(secrets)) {
      const sealed = this.#box.seal(Buffer.from(secret), contextOf(id, name));
      await tx
        .insertInto('channel_secrets')
        .values({ channel_id: id, name, sealed })
        .onConflict((c) => c.columns(['channel_id', 'name']).doUpdateSet({ sealed }))
        .execute();
    }
  }

  async #active(db: StateDb, ref: string): Promise<Channel> {
    const channel = found(await findChannel(db, ref), 'channel', ref);
    if (channel.status === 'active') return channel;
    throw new PosternError('POSTERN_CONFLICT', `The channel ${channel.name} is retired.`);
  }
}

/** Accounts that people linked through a channel. */
const linksOf = async (db: StateDb, { id }: Channel): Promise<Link[]> =>
  (await listLinks(db, { status: 'active' })).filter(
    (link) => link.kind === 'slack' && link.channel.id === id,
  );

const signerOf = (kind: Channel['kind'], { signing }: Secrets, { id, name }: Actor): Ref | null =>
  kind === 'slack' && signing !== undefined ? { id, name } : null;

const contextOf = (id: string, name: string): string => `channel:${id}:${name}`;

const since = (secrets: Secrets, at: string): Record<string, string> =>
  Object.fromEntries(Object.keys(secrets).map((name) => [name, at]));

/** Whoever may say where messages go does not get the passwords of before by it. */
function requireSecretsAnew(before: Channel, after: Channel, secrets: Secrets): void {
  const needs: string[] = [];
  if (before.kind === 'email' && after.kind === 'email') {
    const moved = before.settings.host !== after.settings.host || before.settings.tls !== after.settings.tls;
    if (moved && after.settings.user !== null) needs.push('password');
  }
  if (before.kind === 'slack' && after.kind === 'slack') {
    const moved = before.settings.apiBase !== after.settings.apiBase;
    if (moved && after.settings.by === 'bot') needs.push('token');
  }
  const missing = needs.filter((name) => secrets[name] === undefined);
  if (missing.length === 0) return;
  throw new PosternError('POSTERN_INVALID', `${OTHER_HOST}: give the ${missing.join(' and the ')} again.`);
}
