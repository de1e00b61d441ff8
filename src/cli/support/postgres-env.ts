/** How PostgreSQL clients are told where to connect and as whom. */

interface Target {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** `resource` or `resource/database`; null where the user is to say it. */
  readonly database: string | null;
  /** File of the certificate authority; null where the system's store serves. */
  readonly caFile: string | null;
}

export interface Login extends Target {
  readonly password: string;
}

/** A login with a client certificate. */
export interface CertificateLogin extends Target {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A login with a password file, which is read at each connection. */
export interface PassFileLogin extends Target {
  readonly passFile: string;
}

/** What `databaseName` joins: the resource, and a database of it where it is not the resource's own. */
export function databaseName(resource: string, database: string | undefined): string {
  return database === undefined ? resource : `${resource}/${database}`;
}

/**
 * libpq's environment variables for a login.
 *
 * @see https://www.postgresql.org/docs/18/libpq-envars.html
 */
export function loginVariables(login: Login | CertificateLogin | PassFileLogin): Record<string, string> {
  return {
    PGHOST: login.host,
    PGPORT: String(login.port),
    PGUSER: login.user,
    ...('password' in login && { PGPASSWORD: login.password }),
    ...('passFile' in login && { PGPASSFILE: login.passFile }),
    ...(login.database !== null && { PGDATABASE: login.database }),
    PGSSLMODE: 'verify-full',
    ...(login.caFile !== null && { PGSSLROOTCERT: login.caFile }),
    ...('certFile' in login
      ? // Said, since a shell that had a password before has `disable`.
        { PGSSLCERT: login.certFile, PGSSLKEY: login.keyFile, PGSSLCERTMODE: 'allow' }
      : // A certificate of other servers, which libpq shows by itself, would be taken for a proof and refused.
        { PGSSLCERTMODE: 'disable' }),
  };
}

/** Variables that would lead a client elsewhere, or make it prove itself otherwise. */
const MISLEADING = [
  'PGHOSTADDR',
  'PGSERVICE',
  'PGSERVICEFILE',
  'PGPASSWORD',
  'PGPASSFILE',
  'PGSSLCERT',
  'PGSSLKEY',
  'PGSSLCERTMODE',
  'PGSSLCRL',
  'PGSSLCRLDIR',
  'PGSSLNEGOTIATION',
  'PGREQUIRESSL',
  'PGREQUIREAUTH',
  'PGREQUIREPEER',
  'PGTARGETSESSIONATTRS',
  'PGLOADBALANCEHOSTS',
];

/** Postern's own secrets: a command that runs as a principal has no business with its starter's. */
const SECRETS = [
  'POSTERN_TOKEN',
  'POSTERN_SETUP_TOKEN',
  'POSTERN_UPSTREAM_PASSWORD',
  'POSTERN_ADMIN_PASSWORD',
  'POSTERN_MASTER_KEY',
  'POSTERN_MASTER_KEY_FILE',
  'POSTERN_ID_TOKEN',
];

/** The environment of a command that runs under a login: the one given, without what would mislead or betray. */
export function commandEnvironment(
  base: Readonly<Record<string, string | undefined>>,
  login: Login | PassFileLogin,
  facts: Readonly<Record<string, string>>,
): Record<string, string | undefined> {
  const env = { ...base };
  for (const name of [...MISLEADING, ...SECRETS]) delete env[name];
  // Without this, clients built with Kerberos first ask for an encryption that is not spoken here.
  return { ...env, ...loginVariables(login), PGGSSENCMODE: 'disable', ...facts };
}

/** A word that a POSIX shell reads as exactly this text. */
export function shellQuote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The login as shell commands for `eval`. */
export function formatExports(login: Login | CertificateLogin): string {
  return Object.entries(loginVariables(login))
    .map(([name, value]) => `export ${name}=${shellQuote(value)}\n`)
    .join('');
}

/** The login as a connection URI. @see https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNSTRING-URIS */
export function formatUri(login: Login | CertificateLogin): string {
  const encode = encodeURIComponent;
  const host = login.host.includes(':') ? `[${login.host}]` : encode(login.host);
  const query = [
    'sslmode=verify-full',
    ...(login.caFile === null ? [] : [`sslrootcert=${encode(login.caFile)}`]),
    ...('certFile' in login ? [`sslcert=${encode(login.certFile)}`, `sslkey=${encode(login.keyFile)}`] : []),
  ].join('&');
  const database = login.database === null ? '' : `/${encode(login.database)}`;
  const secret = 'password' in login ? `:${encode(login.password)}` : '';
  return `postgresql://${encode(login.user)}${secret}@${host}:${login.port}${database}?${query}\n`;
}

/** The login as a line of a password file. @see https://www.postgresql.org/docs/18/libpq-pgpass.html */
export function formatPgpass(login: Login): string {
  const field = (text: string): string => text.replace(/[\\:]/g, '\\$&');
  const database = login.database === null ? '*' : field(login.database);
  return `${field(login.host)}:${login.port}:${database}:${field(login.user)}:${field(login.password)}\n`;
}
