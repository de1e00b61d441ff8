/** Puts what people are told of on its way: in the transaction of the change that it tells of, so that neither is without the other. */
import { uuidv7 } from '../core/ids.ts';
import { listChannels } from '../store/notify.ts';
import type { Channel } from '../store/notify-entities.ts';
import type { StateDb } from '../store/store.ts';
import { takes } from './channel-input.ts';
import type { Fields } from './texts.ts';

const HOUR_MS = 3_600_000;
/** Of one kind about one principal to one place in an hour. What comes more is held: somebody makes it. */
const HOUR_MAX = 60;
/** Waiting in one channel. */
const WAITING_MAX = 10_000;
/** So many people are written to about one thing. */
const PEOPLE_MAX = 100;

/** Something that people are told of. */
export interface Telling {
  /** As in `events.ts`. */
  readonly kind: string;
  /** What tells it from every other: the same is told once to each place. */
  readonly event: string;
  /** What the texts name; `path` is where one can act on it, below the public address. */
  readonly fields: Fields;
  /** Id of the principal that it is about. */
  readonly principal: string | null;
  /** Who has to act, or to know. */
  readonly people: readonly { readonly id: string; readonly email: string }[];
}

interface Place {
  readonly recipient: string;
  readonly person: string | null;
}

/**
 * @param asOf RFC 3339: channels that were made later are passed over
 * @returns whether there is anything to send
 */
export async function enqueue(
  db: StateDb,
  tellings: readonly Telling[],
  nowMs: number,
  asOf?: string,
): Promise<boolean> {
  if (tellings.length === 0) return false;
  const all = await listChannels(db, { status: 'active' });
  const channels = all.filter(({ createdAt }) => asOf === undefined || createdAt <= asOf);
  let any = false;
  for (const telling of tellings) {
    for (const channel of channels.filter((each) => takes(each, telling.kind))) {
      for (const place of placesOf(channel, telling)) {
        any = true;
        await put(db, channel, telling, place, nowMs);
      }
    }
  }
  return any;
}

/** Where a channel takes something. */
function placesOf(channel: Channel, { people }: Telling): readonly Place[] {
  if (channel.kind !== 'email') return [{ recipient: '', person: null }];
  const { to, direct } = channel.settings;
  const places = new Map<string, Place>();
  if (direct) {
    for (const { id, email } of people.slice(0, PEOPLE_MAX))
      places.set(email, { recipient: email, person: id });
  }
  // An address of the channel gets it whoever has it.
  for (const recipient of to) places.set(recipient, { recipient, person: null });
  return [...places.values()];
}

async function put(
  db: StateDb,
  channel: Channel,
  { kind, event, fields, principal }: Telling,
  { recipient, person }: Place,
  nowMs: number,
): Promise<void> {
  const held = await tooMany(db, channel, { kind, principal, recipient }, nowMs);
  await db
    .insertInto('deliveries')
    .values({
      ...{ id: uuidv7(), event, kind, channel_id: channel.id, recipient },
      ...{ person_id: person, principal_id: principal, fields: JSON.stringify(fields) },
      ...{ attempts: 0, next_ms: nowMs, created_ms: nowMs },
      ...(held === null
        ? { status: 'waiting', error: null, ended_ms: null }
        : { status: 'held', error: held, ended_ms: nowMs }),
    })
    .onConflict((c) => c.columns(['event', 'channel_id', 'recipient']).doNothing())
    .execute();
}

async function tooMany(
  db: StateDb,
  channel: Channel,
  { kind, principal, recipient }: { readonly recipient: string } & Pick<Telling, 'kind' | 'principal'>,
  nowMs: number,
): Promise<string | null> {
  const lately = await db
    .selectFrom('deliveries')
    .select((e) => e.fn.countAll<number>().as('count'))
    .where('channel_id', '=', channel.id)
    .where('recipient', '=', recipient)
    .where('kind', '=', kind)
    .where('principal_id', principal === null ? 'is' : '=', principal)
    .where('created_ms', '>', nowMs - HOUR_MS)
    .executeTakeFirstOrThrow();
  if (Number(lately.count) >= HOUR_MAX) return `more than ${HOUR_MAX} in an hour about the same principal`;
  const waiting = await db
    .selectFrom('deliveries')
    .select((e) => e.fn.countAll<number>().as('count'))
    .where('channel_id', '=', channel.id)
    .where('status', '=', 'waiting')
    .executeTakeFirstOrThrow();
  return Number(waiting.count) >= WAITING_MAX ? `more than ${WAITING_MAX} wait in the channel` : null;
}
