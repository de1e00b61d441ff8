import { X509Certificate } from 'node:crypto';
import { PosternError } from '../core/errors.ts';
import type { SinkTarget } from '../store/entities.ts';
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
    };

/** RFC 5425 section 4.1. */
const SYSLOG_TLS = 6514;
/** Log audit: RFC 5424 section 6.2.1. */
const AUDIT_FACILITY = 13;
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
  }
}

/** @throws PosternError POSTERN_INVALID where a secret cannot be sent as it is asked to */
export function checkSecret({ kind }: SinkTarget, secret: string | null): void {
  if (secret === null) return;
  if (kind === 'file') throw invalid('A file takes no secret.');
  if (kind === 'syslog') return;
  if (!/^[\x21-\x7e](?:[\x20-\x7e]{0,4094}[\x21-\x7e])?$/.test(secret)) {
    throw invalid('The secret cannot be the value of a header.');
  }
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
