/** The tables of notifications as Kysely sees them. */
import type { Channel, Delivery, Link } from './notify-entities.ts';

export interface ChannelTable {
  id: string;
  name: string;
  kind: Channel['kind'];
  status: Channel['status'];
  /** JSON of a `Channel`. */
  body: string;
}

/** Sealed, by what it is. Not part of the log. */
export interface ChannelSecretTable {
  channel_id: string;
  name: string;
  sealed: Uint8Array;
}

export interface LinkTable {
  id: string;
  person_id: string;
  /** What tells it among those that are active; null for one that its id tells. */
  identifier: string | null;
  status: Link['status'];
  expires_at: string | null;
  /** JSON of a `Link`. */
  body: string;
}

/** Sealed. Not part of the log. */
export interface LinkSecretTable {
  link_id: string;
  sealed: Uint8Array;
}

/** Messages on their way. Not part of who may do what: no record, no fold. */
export interface DeliveryTable {
  id: string;
  event: string;
  kind: string;
  channel_id: string;
  recipient: string;
  person_id: string | null;
  principal_id: string | null;
  /** JSON object of strings. */
  fields: string;
  status: Delivery['status'];
  attempts: number;
  next_ms: number;
  error: string | null;
  created_ms: number;
  ended_ms: number | null;
}

export interface NotifyTables {
  channels: ChannelTable;
  channel_secrets: ChannelSecretTable;
  links: LinkTable;
  link_secrets: LinkSecretTable;
  deliveries: DeliveryTable;
}
