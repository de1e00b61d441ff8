/** Where people are told of something, and by what they answer from elsewhere. */
import type { Ref } from '../core/record.ts';

export const CHANNEL_KINDS = ['webhook', 'slack', 'email'] as const;
export type ChannelKind = (typeof CHANNEL_KINDS)[number];

/** An endpoint that takes signed events (Standard Webhooks). Its URL may hold a secret, so it is sealed. */
export interface WebhookSettings {
  /** Scheme, host and port of the URL. */
  readonly origin: string;
}

export interface SlackSettings {
  /** `incoming`: by a URL that Slack made; `bot`: with a token, to a conversation. */
  readonly by: 'incoming' | 'bot';
  /** Where the API is, and from which host answers are taken that a press of a button gets. */
  readonly apiBase: string;
  /** Id of the conversation; null for `incoming`, whose URL is of one. */
  readonly conversation: string | null;
  /** Whether requests come with buttons. It takes the signing secret of the app. */
  readonly buttons: boolean;
}

export interface EmailSettings {
  readonly host: string;
  readonly port: number;
  /** `none` only to this machine. */
  readonly tls: 'starttls' | 'implicit' | 'none';
  /** Null: without AUTH. */
  readonly user: string | null;
  readonly from: string;
  /** Addresses that get every message of the channel. */
  readonly to: readonly string[];
  /** Whether those who have to act, or to know, are written to at their own address. */
  readonly direct: boolean;
}

/** Own words for an event. `subject` is of e-mail alone; null: the words that come with Postern. */
export interface OwnText {
  readonly subject: string | null;
  readonly text: string;
}

interface ChannelBase extends Ref {
  /** Authorities to trust besides those of the system, PEM; null for none. */
  readonly ca: string | null;
  /** Patterns of the events that go there: `request.*`. */
  readonly events: readonly string[];
  /** By the event. */
  readonly texts: Readonly<Record<string, OwnText>>;
  /** Which secrets it has, and since when each is as it is. What they are is sealed in the vault. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Who gave the signing secret of a Slack app, and so could sign as anybody there; null where there is none. */
  readonly signingBy: Ref | null;
  /** Until when the signing secret of before counts beside the one of now; null: there is none. */
  readonly formerUntil: string | null;
  readonly status: 'active' | 'retired';
  readonly statusReason: string | null;
  readonly createdAt: string;
}

/** Where notifications go. */
export type Channel = ChannelBase &
  (
    | { readonly kind: 'webhook'; readonly settings: WebhookSettings }
    | { readonly kind: 'slack'; readonly settings: SlackSettings }
    | { readonly kind: 'email'; readonly settings: EmailSettings }
  );

export type ChannelOf<K extends ChannelKind> = Extract<Channel, { readonly kind: K }>;

interface LinkBase extends Ref {
  /** Whose word it carries. Only they make one. */
  readonly person: Ref;
  readonly expiresAt: string | null;
  readonly status: 'active' | 'removed';
  readonly endReason: string | null;
  readonly endedAt: string | null;
  readonly createdAt: string;
}

/** By what a person decides on requests from elsewhere: an account in Slack, or a system that signs in their name. */
export type Link = LinkBase &
  (
    | { readonly kind: 'slack'; readonly channel: Ref; readonly team: string; readonly user: string }
    | { readonly kind: 'hook' }
  );

export const DELIVERY_STATUSES = ['waiting', 'delivered', 'dead', 'held', 'dropped'] as const;

/**
 * One message on its way to one place. `dead`: given up after the last try; `held`: too many of one kind in an hour; `dropped`:
 * whom it was for, or the channel, is not there any more.
 */
export interface Delivery {
  readonly id: string;
  /** Of what it tells: the id of the record, or what Postern noticed by itself. Once per channel and address. */
  readonly event: string;
  readonly kind: string;
  readonly channel: Ref;
  /** Address; empty where the channel has one place only. */
  readonly recipient: string;
  /** The person whose address it is; null where it is an address of the channel. */
  readonly person: string | null;
  /** The principal that it is about. */
  readonly principal: string | null;
  readonly fields: Readonly<Record<string, string>>;
  readonly status: (typeof DELIVERY_STATUSES)[number];
  readonly attempts: number;
  /** When it is tried next, in milliseconds since the Unix epoch. */
  readonly nextMs: number;
  readonly error: string | null;
  readonly endedAt: string | null;
  readonly createdAt: string;
}
