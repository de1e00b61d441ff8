import { usageError } from './failure.ts';

export const TLS_MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const;

export interface ResourceAddress {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly tlsMode: (typeof TLS_MODES)[number] | undefined;
  readonly caFile: string | undefined;
}

/**
 * The address of an upstream PostgreSQL from a connection URI.
 *
 * @throws CliError (usage) when it is malformed, lacks something, says something that has no meaning here, or holds a
 *   password: everyone on the machine can read a command line
 */
export function parseResourceUrl(text: string): ResourceAddress {
  const url = URL.canParse(text) ? new URL(text) : null;
  const example = 'It looks like postgres://user@db.example:5432/ledger?sslmode=verify-full.';
  // The text is not repeated in errors: it may hold a password.
  if (!url || !/^postgres(?:ql)?:$/.test(url.protocol))
    throw usageError('--url is not a PostgreSQL URL', example);
  if (url.password !== '') {
    throw usageError(
      '--url must not hold a password: everyone on this machine could read it',
      'Give it with --password-file FILE, POSTERN_UPSTREAM_PASSWORD or when asked. Change this one: it has been seen.',
    );
  }
  const user = decode(url.username);
  const database = decode(url.pathname.slice(1));
  const host = decode(url.hostname).replace(/^\[|\]$/g, '');
  if (user === '' || database === '' || host === '') {
    throw usageError('--url lacks a user, a host or a database', example);
  }
  let tlsMode: ResourceAddress['tlsMode'];
  let caFile: string | undefined;
  for (const [name, value] of url.searchParams) {
    if (name === 'sslmode') {
      tlsMode = TLS_MODES.find((mode) => mode === value);
      if (!tlsMode) throw usageError(`sslmode must be one of ${TLS_MODES.join(', ')}`);
    } else if (name === 'sslrootcert') caFile = value;
    else throw usageError(`"${name}" in --url is not understood`, 'Only sslmode and sslrootcert are.');
  }
  return { host, port: url.port === '' ? 5432 : Number(url.port), database, user, tlsMode, caFile };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw usageError('--url holds a % that does not encode a character');
  }
}
