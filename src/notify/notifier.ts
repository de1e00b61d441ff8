/** Notifications in one object: where they go, what is on its way, and the sender. */

import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor, NotificationFailed, RecordBase } from '../core/record.ts';
import { rfc3339 } from '../core/time.ts';
import { activeAdmins, SYSTEM } from '../identity/persons.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { Person } from '../store/entities.ts';
import { type DeliveryFilter, findDelivery, listDeliveries } from '../store/notify.ts';
import type { Delivery, OwnText } from '../store/notify-entities.ts';
import { found, type Page } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import type { SecretBox } from '../vault/secrets.ts';
import { Channels } from './channels.ts';
import { COMMON_FIELDS, eventKind } from './events.ts';
import { Links } from './links.ts';
import { type Message, messageOf } from './message.ts';
import { enqueue, type Telling } from './outbox.ts';
import { Sender } from './sender.ts';
import { checkOwnText, plain, type Rendered, render } from './texts.ts';
import { send } from './transports.ts';

export interface NotifierOptions {
  readonly db: StateDb;
  readonly changes: ChangeLog;
  readonly box: SecretBox;
  /** Microseconds since the Unix epoch. */
  readonly clock: () => number;
  readonly publicUrl: () => string;
  /** Writes a record that changes no state, durably, while no change is under way. */
  readonly write: (record: RecordBase) => Promise<void>;
  readonly onFault: (error: unknown) => void;
}

export class Notifier {
  readonly channels: Channels;
  readonly links: Links;
  readonly #options: NotifierOptions;
  readonly #sender: Sender;

  constructor(options: NotifierOptions) {
    const { db, changes, box, clock, publicUrl, onFault } = options;
    this.#options = options;
    this.channels = new Channels(db, changes, box, clock);
    this.links = new Links(db, changes, box, clock);
    this.#sender = new Sender({
      ...{ db, channels: this.channels, publicUrl, onFault },
      nowMs: () => this.#nowMs(),
      gaveUp: (delivery, error) => this.#gaveUp(delivery, error),
    });
  }

  start(): void {
    this.#sender.start();
  }

  close(): Promise<void> {
    return this.#sender.close();
  }

  /**
   * Puts what a change tells of on its way, in its transaction. Whatever goes wrong in it does not undo the change: taking somebody's
   * access away must not fail because nobody can be told.
   *
   * @param asOf RFC 3339: not to channels that were made later; for what is made up for
   */
  async beside(tx: StateDb, tellings: () => Promise<readonly Telling[]>, asOf?: string): Promise<void> {
    try {
      if (await enqueue(tx, await tellings(), this.#nowMs(), asOf)) setImmediate(() => this.#sender.wake());
    } catch (error) {
      this.#options.onFault(error);
    }
  }

  /** Tells of something that is no change. The same `event` is told once. */
  async tell(...tellings: readonly Telling[]): Promise<void> {
    const { db } = this.#options;
    const any = await db.transaction().execute((tx) => enqueue(tx, tellings, this.#nowMs()));
    if (any) this.#sender.wake();
  }

  /** As `tell`, to the administrators. Faults of it are told as those of the sender. */
  async tellAdmins(telling: Omit<Telling, 'people' | 'principal'>): Promise<void> {
    try {
      const people = await activeAdmins(this.#options.db);
      await this.tell({ ...telling, people, principal: null });
    } catch (error) {
      this.#options.onFault(error);
    }
  }

  deliveries(filter: DeliveryFilter, page?: Page): Promise<Delivery[]> {
    return listDeliveries(this.#options.db, filter, page);
  }

  /**
   * Puts what was given up or held on its way again, from its first try.
   *
   * @throws PosternError POSTERN_NOT_FOUND; POSTERN_CONFLICT where it waits, has arrived, or its channel is retired
   */
  async redeliver(id: string): Promise<Delivery> {
    const { db } = this.#options;
    const before = found(await findDelivery(db, id), 'delivery', id);
    const channel = await this.channels.get(before.channel.id);
    if (channel.status !== 'active' || (before.status !== 'dead' && before.status !== 'held')) {
      throw new PosternError(
        'POSTERN_CONFLICT',
        channel.status === 'active' ? `It is ${before.status}.` : `The channel ${channel.name} is retired.`,
      );
    }
    await db
      .updateTable('deliveries')
      .set({ status: 'waiting', attempts: 0, next_ms: this.#nowMs(), ended_ms: null, error: null })
      .where('id', '=', id)
      .where('status', 'in', ['dead', 'held'])
      .execute();
    this.#sender.wake();
    return found(await findDelivery(db, id), 'delivery', id);
  }

  /** Tries a channel out, now and once. @returns what is wrong, or null */
  async test(actor: Actor, person: Person, ref: string): Promise<string | null> {
    const channel = await this.channels.get(ref);
    if (channel.status !== 'active') {
      throw new PosternError('POSTERN_CONFLICT', `The channel ${channel.name} is retired.`);
    }
    const [to = person.email] = channel.kind === 'email' ? channel.settings.to : [''];
    const fields = { channel: channel.name, by: actor.name };
    const message = this.#sample('channel.test', fields, to);
    const secrets = await this.channels.secretsOf(channel);
    const tried = await send(channel, secrets, message, new AbortController().signal);
    return tried.done ? null : tried.error;
  }

  /** What an event would say in a channel, with examples for its fields. @param own words to try; default: those of the channel */
  async preview(ref: string, event: string, own?: OwnText): Promise<Rendered> {
    const channel = await this.channels.get(ref);
    const kind = eventKind(event);
    if (kind === undefined) throw new PosternError('POSTERN_INVALID', `${event} is no event.`);
    const words = own === undefined ? channel.texts[event] : checkOwnText(event, kind, own);
    const fields = { ...COMMON_FIELDS, ...kind.fields, event };
    return render(words ?? { subject: null, text: kind.text }, kind, fields, plain);
  }

  #sample(kind: string, fields: Message['fields'], recipient: string): Message {
    const now = new Date(this.#nowMs()).toISOString();
    const delivery: Delivery = {
      ...{ id: uuidv7(), event: 'test', kind, recipient, fields, status: 'waiting', createdAt: now },
      ...{ channel: { id: '', name: '' }, person: null, principal: null, attempts: 0, nextMs: 0 },
      ...{ error: null, endedAt: null },
    };
    return messageOf(delivery, this.#options.publicUrl());
  }

  async #gaveUp(delivery: Delivery, error: string): Promise<void> {
    const { channel, kind, event, person, attempts } = delivery;
    const time = rfc3339(this.#options.clock());
    const record: NotificationFailed = {
      ...{ id: uuidv7(), time, type: 'notification.failed', actor: SYSTEM },
      notification: { delivery: delivery.id, channel, kind, event, person, attempts, error },
    };
    await this.#options.write(record);
    // Once a day of one channel: what tells of it fails in the same way where it goes the same way.
    if (kind === 'channel.failed') return;
    const fields = { channel: channel.name, detail: error };
    await this.tellAdmins({
      kind: 'channel.failed',
      event: `failed ${channel.id} ${time.slice(0, 10)}`,
      fields,
    });
  }

  #nowMs(): number {
    return Math.floor(this.#options.clock() / 1000);
  }
}
