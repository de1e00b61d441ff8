/** What people say of a channel, checked. */
import { X509Certificate } from 'node:crypto';
import { PosternError } from '../core/errors.ts';
import { globMatches } from '../core/glob.ts';
import { checkText } from '../identity/input.ts';
import { checkEmail } from '../identity/persons.ts';
import type { Channel, EmailSettings, OwnText, SlackSettings } from '../store/notify-entities.ts';
import { EVENT_NAMES, eventKind } from './events.ts';
import { checkAddress, checkEndpoint, isLoopback } from './outward.ts';
import { checkSigningSecret, newSigningSecret } from './signatures.ts';
import { checkOwnText } from './texts.ts';

const PATTERNS_MAX = 50;
const ADDRESSES_MAX = 20;
const SECRET_MAX = 1000;
const SLACK_API = 'https://slack.com/api';

/** What may be said of every channel. */
export interface CommonInput {
  readonly events?: readonly string[] | undefined;
  /** By event; null takes the own words away. */
  readonly texts?: Readonly<Record<string, OwnText | null>> | undefined;
  /** PEM; null for none. */
  readonly ca?: string | null | undefined;
}

export interface WebhookInput {
  readonly url?: string | undefined;
  /** One of the person's own; else Postern makes one. */
  readonly signingSecret?: string | undefined;
}

export interface SlackInput {
  readonly url?: string | undefined;
  readonly token?: string | undefined;
  readonly conversation?: string | undefined;
  readonly apiBase?: string | undefined;
  readonly buttons?: boolean | undefined;
  /** Of the app. */
  readonly signingSecret?: string | undefined;
}

export interface EmailInput {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly tls?: EmailSettings['tls'] | undefined;
  /** Null: without AUTH. */
  readonly user?: string | null | undefined;
  readonly password?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: readonly string[] | undefined;
  readonly direct?: boolean | undefined;
}

export type ChannelInput = CommonInput & {
  readonly webhook?: WebhookInput | undefined;
  readonly slack?: SlackInput | undefined;
  readonly email?: EmailInput | undefined;
};

type Made<K extends Channel['kind']> = Pick<Extract<Channel, { kind: K }>, 'kind' | 'settings'> & {
  /** Those that are new, by what they are. */
  readonly secrets: Readonly<Record<string, string>>;
};

/** @param before absent for a new one */
export function checkedWebhook(input: WebhookInput, before?: Channel): Made<'webhook'> {
  if (before === undefined && input.url === undefined) throw invalid('Say to which URL it posts.');
  const url = input.url === undefined ? null : checkEndpoint(input.url, 'URL');
  const { signingSecret } = input;
  const signing =
    signingSecret === undefined
      ? before === undefined && newSigningSecret()
      : checkSigningSecret(signingSecret);
  const origin = url?.origin ?? (before?.kind === 'webhook' ? before.settings.origin : '');
  return {
    kind: 'webhook',
    settings: { origin },
    secrets: { ...(url && { url: url.href }), ...(signing && { signing }) },
  };
}

export function checkedSlack(input: SlackInput, before?: Channel): Made<'slack'> {
  const old = before?.kind === 'slack' ? before.settings : null;
  const had = before?.secrets ?? {};
  const by: SlackSettings['by'] =
    input.url !== undefined ? 'incoming' : input.token !== undefined ? 'bot' : (old?.by ?? 'bot');
  if (input.url !== undefined && input.token !== undefined) {
    throw invalid('It posts by a URL that Slack made, or with a token of a bot, not both.');
  }
  const apiBase = checkEndpoint(
    input.apiBase ?? old?.apiBase ?? SLACK_API,
    'address of the API',
  ).href.replace(/\/+$/, '');
  const conversation =
    by === 'incoming' ? null : checkText(input.conversation ?? old?.conversation ?? '', 'conversation', 80);
  if (conversation !== null && !/^[A-Z0-9]{2,40}$/.test(conversation)) {
    throw invalid(
      'A conversation is given by its id, such as C024BE91L, which nobody can take over as a name.',
    );
  }
  const token = input.token === undefined ? null : checkSecret(input.token, 'token');
  const url = input.url === undefined ? null : checkEndpoint(input.url, 'URL').href;
  const signing =
    input.signingSecret === undefined ? null : checkSecret(input.signingSecret, 'signing secret');
  const settings: SlackSettings = {
    by,
    apiBase,
    conversation,
    buttons: input.buttons ?? old?.buttons ?? false,
  };
  if (settings.buttons && signing === null && had.signing === undefined) {
    throw invalid('Buttons take the signing secret of the app: without it nobody knows who pressed one.');
  }
  if (token === null && by === 'bot' && had.token === undefined)
    throw invalid('Give the token of the bot, or a URL.');
  return {
    kind: 'slack',
    settings,
    secrets: { ...(url && { url }), ...(token && { token }), ...(signing && { signing }) },
  };
}

export function checkedEmail(input: EmailInput, before?: Channel): Made<'email'> {
  const old = before?.kind === 'email' ? before.settings : null;
  const host = checkText(input.host ?? old?.host ?? '', 'mail server', 253);
  if (!/^[A-Za-z0-9.:-]+$/.test(host)) throw invalid('The mail server is a name or an address.');
  checkAddress(host, 'mail server');
  const tls = input.tls ?? old?.tls ?? 'starttls';
  if (tls === 'none' && !isLoopback(host)) {
    throw invalid('Without TLS only a mail server on this machine is spoken to.');
  }
  const user = input.user === undefined ? (old?.user ?? null) : input.user;
  const password = input.password === undefined ? null : checkSecret(input.password, 'password');
  if (user !== null && password === null && before?.secrets.password === undefined) {
    throw invalid('Give the password of the user, too.');
  }
  const port = input.port ?? old?.port ?? (tls === 'implicit' ? 465 : 587);
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw invalid('A port is 1 to 65535.');
  const to = [...new Set((input.to ?? old?.to ?? []).map(checkEmail))];
  const direct = input.direct ?? old?.direct ?? true;
  if (to.length > ADDRESSES_MAX) throw invalid(`A channel has at most ${ADDRESSES_MAX} addresses.`);
  if (to.length === 0 && !direct) throw invalid('It would write to nobody.');
  return {
    kind: 'email',
    settings: {
      ...{ host, port, tls, to, direct },
      user: user === null ? null : checkText(user, 'user', 200),
      from: checkEmail(input.from ?? old?.from ?? ''),
    },
    secrets: { ...(password !== null && { password }) },
  };
}

/** Which of the input is for this kind of channel, checked. @throws PosternError POSTERN_INVALID where it is of another */
export function checkedKind(
  kind: Channel['kind'],
  input: ChannelInput,
  before?: Channel,
): Made<'webhook'> | Made<'slack'> | Made<'email'> {
  for (const other of ['webhook', 'slack', 'email'] as const) {
    if (other !== kind && input[other] !== undefined)
      throw invalid(`What is said is of ${other}, and the channel is ${kind}.`);
  }
  if (kind === 'webhook') return checkedWebhook(input.webhook ?? {}, before);
  if (kind === 'slack') return checkedSlack(input.slack ?? {}, before);
  return checkedEmail(input.email ?? {}, before);
}

export function checkedCommon(
  input: CommonInput,
  before: Pick<Channel, 'events' | 'texts' | 'ca'> = { events: ['*'], texts: {}, ca: null },
): Pick<Channel, 'events' | 'texts' | 'ca'> {
  const events = [...new Set(input.events ?? before.events)];
  if (events.length === 0 || events.length > PATTERNS_MAX)
    throw invalid(`A channel has 1 to ${PATTERNS_MAX} events.`);
  for (const pattern of events) checkPattern(pattern);
  const texts: Record<string, OwnText> = { ...before.texts };
  for (const [name, own] of Object.entries(input.texts ?? {})) {
    const kind = eventKind(name);
    if (kind === undefined) throw unknownEvent(name);
    if (own === null) delete texts[name];
    else texts[name] = checkOwnText(name, kind, own);
  }
  const ca = input.ca === undefined ? before.ca : input.ca;
  if (ca !== null) checkAuthority(ca);
  return { events, texts, ca };
}

/** Whether an event goes to a channel. What a channel is tried out with goes there in any case. */
export const takes = ({ events }: Pick<Channel, 'events'>, name: string): boolean =>
  events.some((pattern) => globMatches(pattern, name));

function checkPattern(pattern: string): void {
  const known = EVENT_NAMES.some((name) => globMatches(pattern, name));
  if (pattern.length > 80 || !/^[a-z_*]+(\.[a-z_*]+)?$/.test(pattern) || !known) throw unknownEvent(pattern);
}

function checkAuthority(pem: string): void {
  try {
    if (pem.length > 65_536) throw new RangeError('too long');
    new X509Certificate(pem);
  } catch {
    throw invalid('The authority is not a PEM certificate.');
  }
}

function checkSecret(secret: string, what: string): string {
  if (secret.length >= 1 && secret.length <= SECRET_MAX && /^[\x20-\x7e]+$/.test(secret)) return secret;
  throw invalid(`The ${what} has 1 to ${SECRET_MAX} printable characters.`);
}

const unknownEvent = (name: string): PosternError =>
  invalid(`${JSON.stringify(name.slice(0, 80))} names no event.`, `Events are ${EVENT_NAMES.join(', ')}.`);

const invalid = (message: string, hint?: string): PosternError =>
  new PosternError('POSTERN_INVALID', message, hint);
