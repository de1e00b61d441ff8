/** Reads channels and links, and keeps what is on its way to them. */
import type { Channel, Delivery, Link } from './notify-entities.ts';
import type { ChannelTable, DeliveryTable, LinkTable } from './notify-schema.ts';
import { type Page, paged } from './paging.ts';
import { isId } from './queries.ts';
import type { StateDb } from './store.ts';

const bodies = <T>(rows: readonly { readonly body: string }[]): T[] =>
  rows.map(({ body }) => JSON.parse(body) as T);

export const channelRow = (e: Channel): ChannelTable => ({
  id: e.id,
  name: e.name,
  kind: e.kind,
  status: e.status,
  body: JSON.stringify(e),
});

/** Under which a press of a button finds whose account it is. */
export const slackIdentifier = (channel: string, team: string, user: string): string =>
  `slack ${channel} ${team} ${user}`;

export const linkRow = (e: Link): LinkTable => ({
  id: e.id,
  person_id: e.person.id,
  identifier: e.kind === 'slack' ? slackIdentifier(e.channel.id, e.team, e.user) : null,
  status: e.status,
  expires_at: e.expiresAt,
  body: JSON.stringify(e),
});

export async function findChannel(db: StateDb, ref: string): Promise<Channel | undefined> {
  const query = db.selectFrom('channels').select('body');
  const row = await query.where(isId(ref) ? 'id' : 'name', '=', ref).executeTakeFirst();
  return row && (JSON.parse(row.body) as Channel);
}

export interface ChannelFilter {
  readonly status?: Channel['status'] | undefined;
}

export async function listChannels(
  db: StateDb,
  { status }: ChannelFilter = {},
  page?: Page,
): Promise<Channel[]> {
  let query = db.selectFrom('channels').select('body').orderBy('id');
  if (status !== undefined) query = query.where('status', '=', status);
  return bodies(await paged(query, 'id', page).execute());
}

export async function findLink(db: StateDb, id: string): Promise<Link | undefined> {
  const row = await db.selectFrom('links').select('body').where('id', '=', id).executeTakeFirst();
  return row && (JSON.parse(row.body) as Link);
}

export interface LinkFilter {
  readonly status?: Link['status'] | undefined;
  /** Person id. */
  readonly person?: string | undefined;
  /** As `slackIdentifier` gives it. */
  readonly identifier?: string | undefined;
  /** RFC 3339: only those that have ended by then. */
  readonly expiredAt?: string | undefined;
}

export async function listLinks(db: StateDb, filter: LinkFilter, page?: Page): Promise<Link[]> {
  const { status, person, identifier, expiredAt } = filter;
  let query = db.selectFrom('links').select('body').orderBy('id');
  if (status !== undefined) query = query.where('status', '=', status);
  if (person !== undefined) query = query.where('person_id', '=', person);
  if (identifier !== undefined) query = query.where('identifier', '=', identifier);
  if (expiredAt !== undefined) query = query.where('expires_at', '<=', expiredAt);
  return bodies(await paged(query, 'id', page).execute());
}

export const deliveryOf = (r: DeliveryTable & { channel_name: string }): Delivery => ({
  id: r.id,
  event: r.event,
  kind: r.kind,
  channel: { id: r.channel_id, name: r.channel_name },
  recipient: r.recipient,
  person: r.person_id,
  principal: r.principal_id,
  fields: JSON.parse(r.fields) as Record<string, string>,
  status: r.status,
  attempts: r.attempts,
  nextMs: r.next_ms,
  error: r.error,
  endedAt: r.ended_ms === null ? null : new Date(r.ended_ms).toISOString(),
  createdAt: new Date(r.created_ms).toISOString(),
});

const deliveries = (db: StateDb) =>
  db
    .selectFrom('deliveries')
    .innerJoin('channels', 'channels.id', 'deliveries.channel_id')
    .selectAll('deliveries')
    .select('channels.name as channel_name');

export async function findDelivery(db: StateDb, id: string): Promise<Delivery | undefined> {
  const row = await deliveries(db).where('deliveries.id', '=', id).executeTakeFirst();
  return row && deliveryOf(row);
}

export interface DeliveryFilter {
  readonly status?: Delivery['status'] | undefined;
  /** Channel id. */
  readonly channel?: string | undefined;
}

/** In the order of making. */
export async function listDeliveries(db: StateDb, filter: DeliveryFilter, page?: Page): Promise<Delivery[]> {
  let query = deliveries(db).orderBy('deliveries.id');
  const { status, channel } = filter;
  if (status !== undefined) query = query.where('deliveries.status', '=', status);
  if (channel !== undefined) query = query.where('deliveries.channel_id', '=', channel);
  return (await paged(query, 'deliveries.id', page).execute()).map(deliveryOf);
}

/**
 * What is due in a channel (id), the longest waiting first. What would be due later than any pause may last was put off by a clock that has been set
 * back since, and is due as well.
 */
export async function dueDeliveries(
  db: StateDb,
  channel: string,
  nowMs: number,
  longestMs: number,
  limit: number,
): Promise<Delivery[]> {
  const rows = await deliveries(db)
    .where('deliveries.status', '=', 'waiting')
    .where('deliveries.channel_id', '=', channel)
    .where((e) =>
      e.or([e('deliveries.next_ms', '<=', nowMs), e('deliveries.next_ms', '>', nowMs + longestMs)]),
    )
    .orderBy('deliveries.next_ms')
    .limit(limit)
    .execute();
  return rows.map(deliveryOf);
}
