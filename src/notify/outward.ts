/**
 * Calls to endpoints that an administrator named: https alone (http only to this machine), each address looked at before it is
 * connected to, no redirection followed, within a deadline and a size.
 */
import { lookup as resolve } from 'node:dns';
import { request as plainRequest, type RequestOptions } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { rootCertificates } from 'node:tls';
import { AddressBlocks } from '../core/address-blocks.ts';
import { PosternError } from '../core/errors.ts';

const ANSWER_MAX = 16_384;
const ANSWER_MS = 10_000;
const URL_MAX = 2000;

/**
 * Nothing is ever sent there: this host's own services behind another name, metadata services of clouds, every host of a network.
 * Addresses of private networks are open, since receivers of a self-hosted product stand there.
 */
const NEVER = new AddressBlocks([
  ...['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '240.0.0.0/4', '100.100.100.200/32'],
  ...['::/128', '::1/128', 'fe80::/10', 'ff00::/8', 'fd00:ec2::/32'],
]);
const LOOPBACK = new AddressBlocks(['127.0.0.0/8', '::1/128']);

/** Whether a host as written in a URL is this machine itself. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || LOOPBACK.has(host.replace(/^\[|\]$/g, ''));

/** @throws PosternError POSTERN_INVALID */
export function checkEndpoint(text: string, what: string): URL {
  const url = text.length <= URL_MAX && URL.canParse(text) ? new URL(text) : null;
  const secure = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname));
  if (url !== null && secure && url.username === '' && url.password === '' && url.hash === '') {
    checkAddress(url.hostname, what);
    return url;
  }
  throw new PosternError(
    'POSTERN_INVALID',
    `The ${what} is not an https URL.`,
    'It has no user, no password and no fragment; http is for this machine alone (127.0.0.1, ::1, localhost).',
  );
}

/** @throws PosternError POSTERN_INVALID for a host that is written as an address to which nothing is sent */
export function checkAddress(host: string, what: string): void {
  const address = host.replace(/^\[|\]$/g, '');
  if (isIP(address) === 0 || mayReach(address, isLoopback(address))) return;
  throw new PosternError('POSTERN_INVALID', `The ${what} is at an address to which nothing is sent.`);
}

function mayReach(address: string, loopback: boolean): boolean {
  const embedded = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
  // An IPv4 address within an IPv6 one in any other form of writing says nothing that a plain one could not.
  if (/^(::ffff:|64:ff9b:)/i.test(embedded)) return false;
  return loopback ? LOOPBACK.has(embedded) : !NEVER.has(embedded);
}

/** Resolves a name for a connection, to addresses that may be reached and to no others. What it says is what is connected to. */
export function guardedLookup(host: string): LookupFunction {
  const loopback = isLoopback(host);
  return (name, options, callback) => {
    resolve(name, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '');
      const open = addresses.filter(({ address }) => mayReach(address, loopback));
      const [first] = open;
      if (first === undefined) return callback(new Error('it is at an address to which nothing is sent'), '');
      // What Node's types say of `all` is not what Node does.
      if (options.all) return callback(null, open);
      return callback(null, first.address, first.family);
    });
  };
}

/** The authorities to trust. @param ca PEM besides those of the system; null for none */
export const trusted = (ca: string | null): { readonly ca?: string[] } =>
  ca === null ? {} : { ca: [...rootCertificates, ca] };

export interface Outward {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly ca: string | null;
  readonly signal: AbortSignal;
  /** Whether what the answer says matters, and not only its status. */
  readonly reads: boolean;
}

export interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** At most 16 KiB of it; empty where nobody reads it. */
  readonly body: string;
}

/**
 * Posts a body.
 *
 * @throws Error whose message holds neither the URL nor anything of the question or the answer
 */
export function post({ url, headers, body, ca, signal, reads }: Outward): Promise<Answer> {
  const target = new URL(url);
  const host = target.hostname.replace(/^\[|\]$/g, '');
  const options: RequestOptions = {
    agent: false,
    method: 'POST',
    headers: { ...headers, 'content-length': String(Buffer.byteLength(body)), 'user-agent': 'postern' },
    signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
    lookup: guardedLookup(host),
    maxHeaderSize: ANSWER_MAX,
  };
  if (isIP(host) !== 0 && !mayReach(host, isLoopback(host))) {
    return Promise.reject(new Error('it is at an address to which nothing is sent'));
  }
  const send = target.protocol === 'https:' ? tlsRequest : plainRequest;
  return new Promise((resolveAnswer, reject) => {
    const call = send(target, { ...options, ...trusted(ca) }, (response) => {
      const parts: Buffer[] = [];
      let size = 0;
      const answered = (): void => {
        resolveAnswer({
          status: response.statusCode ?? 0,
          retryAfter: response.headers['retry-after'],
          body: Buffer.concat(parts).subarray(0, ANSWER_MAX).toString('utf8'),
        });
      };
      // The status is the answer: whoever says it has taken the message.
      if (!reads) answered();
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (reads) parts.push(chunk);
        if (size < ANSWER_MAX) return;
        // Enough: what follows is not waited for.
        answered();
        call.destroy();
      });
      response.on('error', (error) => reject(faultOf(error)));
      response.on('end', answered);
    });
    call.on('error', (error) => reject(faultOf(error)));
    call.end(body);
  });
}

/** What went wrong, by its code: messages of Node name addresses and what a server sent. */
export function faultOf(error: Error): Error {
  const { code, name } = error as NodeJS.ErrnoException;
  if (name === 'TimeoutError' || name === 'AbortError') return new Error('it took too long');
  if (error.message.startsWith('it is at an address')) return new Error(error.message);
  return new Error(
    /^[A-Z0-9_]{2,60}$/.test(code ?? '') ? `it cannot be reached (${code})` : 'it cannot be reached',
  );
}
