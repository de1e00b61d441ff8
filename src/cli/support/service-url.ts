import { usageError } from './failure.ts';

export interface ServiceAddress {
  readonly host: string;
  readonly port: number;
  /** Empty, or from `/` on. */
  readonly basePath: string;
  readonly user: string | undefined;
  readonly encrypted: boolean;
}

export const isServiceUrl = (text: string | undefined): text is string => /^https?:/i.test(text ?? '');

const EXAMPLE = 'It looks like https://accounts.bank.example/api.';

/**
 * The address of an HTTP service.
 *
 * @throws CliError (usage) when it is malformed, or holds a password: everyone on the machine can read a command line
 */
export function parseServiceUrl(text: string): ServiceAddress {
  const url = URL.canParse(text) ? new URL(text) : null;
  // The text is not repeated in errors: it may hold a password.
  if (url === null || url.hostname === '') throw usageError('--url is not the address of a service', EXAMPLE);
  if (url.password !== '')
    throw usageError(
      '--url must not hold a password: everyone on this machine could read it',
      'Give it with --password-file FILE, POSTERN_UPSTREAM_PASSWORD or when asked. Change this one: it has been seen.',
    );
  if (url.search !== '' || url.hash !== '') throw usageError('--url ends with the path', EXAMPLE);
  const encrypted = url.protocol === 'https:';
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (encrypted ? 443 : 80) : Number(url.port),
    basePath: url.pathname.replace(/\/+$/, ''),
    user: url.username === '' ? undefined : decodeURIComponent(url.username),
    encrypted,
  };
}

export type ServiceAuth =
  | { readonly kind: 'basic' | 'bearer' | 'certificate' }
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'sigv4'; readonly region: string; readonly service: string };

/** @param text of `--auth` @throws CliError (usage) */
export function parseServiceAuth(text: string): ServiceAuth {
  const [kind, rest] = text.split(/:(.*)/s) as [string, string | undefined];
  if ((kind === 'basic' || kind === 'bearer' || kind === 'certificate') && rest === undefined)
    return { kind };
  if (kind === 'header' && rest) return { kind, name: rest };
  const [, region, service] = /^([^/]+)\/([^/]+)$/.exec(rest ?? '') ?? [];
  if (kind === 'sigv4' && region !== undefined && service !== undefined) return { kind, region, service };
  throw usageError(
    `"${text}" says no way in which Postern proves itself to a service`,
    'It is basic, bearer, certificate, header:NAME or sigv4:REGION/SERVICE.',
  );
}
