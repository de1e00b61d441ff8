import { X509Certificate } from 'node:crypto';
import { PosternError } from '../core/errors.ts';
import type { KafkaMechanism, SinkTarget } from '../store/entities.ts';
import { checkHost } from './resource-input.ts';

/** What a target may be given with; the rest has a default. */
export type TargetInput =
  | { readonly kind: 'file'; readonly maxBytes?: number | undefined; readonly keep?: number | undefined }
  | {
      readonly kind: 'https' | 'otlp';
      readonly url: string;
      readonly header?: string | undefined;
      readonly ca?: string | null | undefined;
    }
  | {
      readonly kind: 'syslog';
      readonly host: string;
      readonly port?: number | undefined;
      readonly facility?: number | undefined;
      readonly ca?: string | null | undefined;
      readonly certificate?: string | null | undefined;
    }
  | {
      readonly kind: 'kafka';
      readonly brokers: readonly string[];
      readonly topic: string;
      readonly tls?: boolean | undefined;
      readonly ca?: string | null | undefined;
      readonly sasl?: { readonly mechanism: KafkaMechanism; readonly user: string } | null | undefined;
    };

/** RFC 5425 section 4.1. */
const SYSLOG_TLS = 6514;
/** Log audit: RFC 5424 section 6.2.1. */
const AUDIT_FACILITY = 13;
const MOST_BROKERS = 16;
const MEBIBYTE = 1 << 20;
const MOST_FILE = 1 << 30;

/** Headers of the transfer itself, which are not for a secret. */
const OWN_HEADERS: ReadonlySet<string> = new Set(
  'host content-length content-type content-encoding transfer-encoding connection te trailer upgrade expect'.split(
    ' ',
  ),
);

/** @throws PosternError POSTERN_INVALID */
export function targetOf(input: TargetInput): SinkTarget {
  switch (input.kind) {
    case 'file':
      return {
        kind: 'file',
        maxBytes: within(input.maxBytes ?? 64 * MEBIBYTE, MEBIBYTE, MOST_FILE, 'size of a file in bytes'),
        keep: within(input.keep ?? 10, 0, 10_000, 'number of files that are kept'),
      };
    case 'https':
    case 'otlp':
      return {
        kind: input.kind,
        url: urlOf(input.url),
        header: headerOf(input.header ?? 'authorization'),
        ca: pemOf(input.ca ?? null),
      };
    case 'syslog':
      return {
        kind: 'syslog',
        host: checkHost(input.host, 'host'),
        port: within(input.port ?? SYSLOG_TLS, 1, 65_535, 'port'),
        facility: within(input.facility ?? AUDIT_FACILITY, 0, 23, 'facility'),
        ca: pemOf(input.ca ?? null),
        certificate: pemOf(input.certificate ?? null),
      };
    case 'kafka':
      return kafkaOf(input);
  }
}

/** @throws PosternError POSTERN_INVALID where a secret cannot be sent as it is asked to */
export function checkSecret({ kind }: SinkTarget, secret: string | null): void {
  if (secret === null) return;
  if (kind === 'file') throw invalid('A file takes no secret.');
  if (kind === 'syslog') return;
  if (kind === 'kafka') {
    if (secret.length > 1024 || /\p{Cc}/u.test(secret)) throw invalid('That is no password for a broker.');
    return;
  }
  if (!/^[\x21-\x7e](?:[\x20-\x7e]{0,4094}[\x21-\x7e])?$/.test(secret)) {
    throw invalid('The secret cannot be the value of a header.');
  }
}

/** @throws PosternError POSTERN_INVALID where a user of Kafka has no password, or a password no user */
export function checkPassword(target: SinkTarget, secret: boolean): void {
  if (target.kind !== 'kafka' || secret === (target.sasl !== null)) return;
  throw target.sasl === null
    ? invalid('A password takes a user.')
    : invalid('A user takes a password.', 'It is the secret: --secret-file.');
}

function kafkaOf(input: Extract<TargetInput, { kind: 'kafka' }>): SinkTarget {
  const { tls = true, sasl = null } = input;
  if (input.brokers.length < 1 || input.brokers.length > MOST_BROKERS) {
    throw invalid(`There are from 1 to ${MOST_BROKERS} brokers.`);
  }
  const brokers = input.brokers.map(brokerOf);
  if (!/^[a-zA-Z0-9._-]{1,249}$/.test(input.topic) || /^\.{1,2}$/.test(input.topic)) {
    throw invalid('That is no name of a topic.');
  }
  if (!tls) {
    if (!brokers.every((broker) => /^(?:127\.[\d.]+|localhost):/.test(broker))) {
      throw invalid('Without TLS the brokers are on this machine: events say who did what.');
    }
    if (sasl !== null) throw invalid('Without TLS there is no password: it would be readable.');
    if (input.ca != null) throw invalid('Without TLS there is no authority.');
  }
  if (sasl !== null && (sasl.user.length < 1 || sasl.user.length > 255 || /\p{Cc}/u.test(sasl.user))) {
    throw invalid('That is no user of a broker.');
  }
  return { kind: 'kafka', brokers, topic: input.topic, tls, ca: pemOf(input.ca ?? null), sasl };
}

function brokerOf(text: string): string {
  const [, host, port] = /^([^:]{1,253}):(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined || port === undefined) {
    throw invalid('A broker is HOST:PORT.', 'An IPv6 address needs a name.');
  }
  return `${checkHost(host, 'host of a broker')}:${within(Number(port), 1, 65_535, 'port')}`;
}

function urlOf(text: string): string {
  if (text.length > 2000 || !URL.canParse(text)) throw invalid('That is no URL.');
  const url = new URL(text);
  if (url.protocol !== 'https:') throw invalid('The URL is not https: events say who did what.');
  if (url.username !== '' || url.password !== '' || url.hash !== '') {
    throw invalid(
      'The URL has a name, a password or a fragment in it.',
      'A secret is sealed, and sent in a header.',
    );
  }
  return url.href;
}

function headerOf(text: string): string {
  const header = text.toLowerCase();
  if (/^[a-z0-9-]{1,64}$/.test(header) && !OWN_HEADERS.has(header)) return header;
  throw invalid(`${JSON.stringify(text.slice(0, 64))} is no header for a secret.`);
}

function pemOf(text: string | null): string | null {
  if (text === null) return null;
  try {
    if (text.length > 65_536 || text.includes('PRIVATE KEY')) throw new Error('no certificate');
    new X509Certificate(text);
    return text;
  } catch {
    throw invalid('The certificate is none in PEM.');
  }
}

function within(value: number, least: number, most: number, what: string): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw invalid(`The ${what} is from ${least} to ${most}.`);
}

function invalid(message: string, hint?: string): PosternError {
  return new PosternError('POSTERN_INVALID', message, hint);
}
