import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import type { WitnessConfig } from '../../activity/witnessing.ts';
import { PosternError } from '../../core/errors.ts';
import type { JobLimits } from '../../evidence/jobs/job-limits.ts';
import type { StsAccess } from '../../identity/aws-prover.ts';
import type { Cluster } from '../../identity/review-prover.ts';
import type { MasterKeySource } from '../../vault/master-key.ts';
import { SourceConfig } from '../../vault/sources/sources.ts';
import type { LogKeySource } from './log-key.ts';

/** Evidence packages that wait to be made, of all, and of one person. */
const WAITING = 50;
const WAITING_OF_ONE = 10;

const Port = Type.Integer({ minimum: 0, maximum: 65535 });
const Listen = (properties: object = {}) =>
  Type.Object(
    { host: Type.Optional(Type.String()), port: Type.Optional(Port), ...properties },
    { additionalProperties: false },
  );

const KEY_SOURCES = [
  Type.Object({ file: Type.String({ minLength: 1 }) }, { additionalProperties: false }),
  Type.Object({ environment: Type.String({ minLength: 1 }) }, { additionalProperties: false }),
  Type.Object({ command: Type.Array(Type.String(), { minItems: 1 }) }, { additionalProperties: false }),
];
const MasterKey = Type.Union([
  ...KEY_SOURCES,
  Type.Object({ exec: Type.Array(Type.String(), { minItems: 1 }) }, { additionalProperties: false }),
]);

/** The configuration file: JSON, everything optional (docs/configuration.md). */
const ConfigFile = Type.Object(
  {
    data: Type.Optional(Type.String()),
    api: Type.Optional(Listen()),
    postgres: Type.Optional(
      Type.Object(
        {
          host: Type.Optional(Type.String()),
          port: Type.Optional(Port),
          tls: Type.Optional(Type.Union([Type.Literal('require'), Type.Literal('allow')])),
        },
        { additionalProperties: false },
      ),
    ),
    http: Type.Optional(Listen()),
    names: Type.Optional(Type.Array(Type.String())),
    publicUrl: Type.Optional(Type.String({ maxLength: 300 })),
    witnesses: Type.Optional(
      Type.Array(
        Type.Object(
          {
            name: Type.String({ minLength: 1, maxLength: 100 }),
            url: Type.String({ maxLength: 1000 }),
            vkey: Type.String({ maxLength: 1000 }),
            ca: Type.Optional(Type.String()),
          },
          { additionalProperties: false },
        ),
        { maxItems: 32 },
      ),
    ),
    witnessSeconds: Type.Optional(Type.Number({ minimum: 1, maximum: 3600 })),
    policy: Type.Optional(Type.String()),
    logKey: Type.Optional(Type.Union(KEY_SOURCES)),
    masterKey: Type.Optional(MasterKey),
    formerMasterKey: Type.Optional(MasterKey),
    secretSources: Type.Optional(
      Type.Record(Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{0,62}$' }), SourceConfig),
    ),
    secretRefreshSeconds: Type.Optional(Type.Integer({ minimum: 10, maximum: 86_400 })),
    secretStaleSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 604_800 })),
    reconcileSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 31_536_000 })),
    keyOverlapDays: Type.Optional(Type.Integer({ minimum: 0, maximum: 365 })),
    evidence: Type.Optional(
      Type.Object(
        {
          keepDays: Type.Optional(Type.Number({ minimum: 0.01, maximum: 366 })),
          mostGigabytes: Type.Optional(Type.Number({ minimum: 0.01 })),
          freeGigabytes: Type.Optional(Type.Number({ minimum: 0 })),
          folders: Type.Optional(
            Type.Array(Type.String({ pattern: '^/', maxLength: 1000 }), { maxItems: 16 }),
          ),
        },
        { additionalProperties: false },
      ),
    ),
    workers: Type.Optional(Type.Integer({ minimum: 1, maximum: 120 })),
    holdSeconds: Type.Optional(Type.Number({ minimum: 0, maximum: 900 })),
    graceSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 3600 })),
    sts: Type.Optional(
      Type.Object(
        {
          address: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9.-]+:[0-9]{1,5}$', maxLength: 300 })),
          ca: Type.Optional(Type.String()),
        },
        { additionalProperties: false },
      ),
    ),
    kubernetes: Type.Optional(
      Type.Array(
        Type.Object(
          {
            name: Type.String({ minLength: 1, maxLength: 63 }),
            server: Type.String({ pattern: '^https://', maxLength: 500 }),
            ca: Type.String(),
            tokenFile: Type.String({ minLength: 1 }),
          },
          { additionalProperties: false },
        ),
        { maxItems: 64 },
      ),
    ),
    limits: Type.Optional(
      Type.Object(
        {
          handshakeSeconds: Type.Optional(Type.Number({ minimum: 1, maximum: 300 })),
          upstreamSeconds: Type.Optional(Type.Number({ minimum: 1, maximum: 300 })),
          messageBytes: Type.Optional(Type.Integer({ minimum: 65_536, maximum: 1_073_741_824 })),
          sessions: Type.Optional(Type.Integer({ minimum: 1 })),
          handshakes: Type.Optional(Type.Integer({ minimum: 1 })),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);

type ConfigFile = Static<typeof ConfigFile>;

/** What the command line may say; it wins over the file. */
export interface ServeFlags {
  readonly config?: string;
  readonly data?: string;
  readonly apiHost?: string;
  readonly apiPort?: number;
  readonly postgresHost?: string;
  readonly postgresPort?: number;
  readonly postgresTls?: string;
  readonly httpHost?: string;
  readonly httpPort?: number;
  readonly workers?: number;
  /** Seconds. */
  readonly hold?: number;
  readonly name?: readonly string[];
  readonly setUp?: boolean;
}

export interface ServeConfig {
  readonly data: string;
  readonly api: { readonly host: string; readonly port: number };
  readonly postgres: { readonly host: string; readonly port: number; readonly tls: 'require' | 'allow' };
  /** Null: nothing listens for HTTP. */
  readonly http: { readonly host: string; readonly port: number } | null;
  /** Further names under which clients reach this installation, for the server certificate. */
  readonly names: readonly string[];
  /** Where browsers reach the API: the origin of its pages, and the name that passkeys are bound to. Null: `localhost`. */
  readonly publicUrl: string | null;
  /** Whether to print a token for the set-up in any case. */
  readonly setUp: boolean;
  readonly witnesses: readonly WitnessConfig[];
  /** A checkpoint goes to the witnesses at most so often. */
  readonly witnessMs: number;
  /** Text of the witness policy; null without one. */
  readonly policy: string | null;
  /** Where the log's signing key is; null for the data directory. */
  readonly logKey: LogKeySource | null;
  /** Where the master key is; null for the data directory. */
  readonly masterKey: MasterKeySource | null;
  /** Where the one before is, while the keyring may still be sealed for it. */
  readonly formerMasterKey: MasterKeySource | null;
  /** Where passwords of resources may be that are not in the vault, by name. */
  readonly secretSources: Readonly<Record<string, SourceConfig>>;
  /** How often they are read again, and how long what was read counts while a source is silent. */
  readonly secretRefreshMs: number;
  readonly secretStaleMs: number;
  /** How often resources are compared with what Postern knows; 0: only when somebody asks. */
  readonly reconcileMs: number;
  /** Where the master key is by the configuration file as it is now. */
  readonly rereadMasterKey: () => MasterKeySource | null;
  /** How long the old signing key of the log signs beside a new one. */
  readonly keyOverlapDays: number;
  /** Evidence packages: how many wait, how long they are kept, and how much room they may take. */
  readonly evidence: JobLimits;
  /** Folders to which schedules may put packages. */
  readonly evidenceFolders: readonly string[];
  readonly workers: number;
  /** Platforms that are asked about identities. */
  readonly platforms: { readonly sts: StsAccess; readonly clusters: readonly Cluster[] };
  /** How long a shutdown waits for commands under way, in seconds. */
  readonly graceSeconds: number;
  readonly limits: {
    readonly handshakeMs: number;
    readonly upstreamMs: number;
    readonly messageBytes: number;
    readonly sessions: number;
    readonly holdMs: number;
    readonly handshakes: number;
  };
}

/** Only where somebody asks for it: what is not there needs no guarding. */
function httpListener(flags: ServeFlags, file: ConfigFile): ServeConfig['http'] {
  if (file.http === undefined && flags.httpHost === undefined && flags.httpPort === undefined) return null;
  return {
    host: flags.httpHost ?? file.http?.host ?? '127.0.0.1',
    port: flags.httpPort ?? file.http?.port ?? 6443,
  };
}

/** Reads the configuration file, if any, puts the flags on top and fills in the defaults. */
export function serveConfig(flags: ServeFlags): ServeConfig {
  const file = flags.config === undefined ? {} : readConfig(flags.config);
  const tls = flags.postgresTls ?? file.postgres?.tls ?? 'require';
  if (tls !== 'require' && tls !== 'allow') {
    throw new PosternError(
      'POSTERN_INVALID',
      `--postgres-tls is "require" or "allow", not ${JSON.stringify(tls)}`,
    );
  }
  const limits = file.limits ?? {};
  // Now: a key in the environment is taken out of it when it is fetched.
  const inEnvironment = masterKeyInEnvironment();
  return {
    data: flags.data ?? file.data ?? './postern-data',
    api: {
      host: flags.apiHost ?? file.api?.host ?? '127.0.0.1',
      port: flags.apiPort ?? file.api?.port ?? 8443,
    },
    postgres: {
      host: flags.postgresHost ?? file.postgres?.host ?? '127.0.0.1',
      port: flags.postgresPort ?? file.postgres?.port ?? 6432,
      tls,
    },
    http: httpListener(flags, file),
    names: [...(file.names ?? []), ...(flags.name ?? []), ...publicName(file.publicUrl)],
    publicUrl: file.publicUrl === undefined ? null : checkPublicUrl(file.publicUrl),
    setUp: flags.setUp ?? false,
    witnesses: (file.witnesses ?? []).map(({ ca, ...witness }) => ({
      ...witness,
      ca: ca === undefined ? undefined : readText(ca, 'the certificate authority of a witness'),
    })),
    witnessMs: (file.witnessSeconds ?? 10) * 1000,
    policy: file.policy === undefined ? null : readText(file.policy, 'the witness policy'),
    logKey: file.logKey ?? null,
    masterKey: file.masterKey ?? inEnvironment,
    formerMasterKey: file.formerMasterKey ?? null,
    secretSources: file.secretSources ?? {},
    secretRefreshMs: (file.secretRefreshSeconds ?? 300) * 1000,
    secretStaleMs: (file.secretStaleSeconds ?? 3600) * 1000,
    reconcileMs: (file.reconcileSeconds ?? 86_400) * 1000,
    rereadMasterKey: () =>
      (flags.config === undefined ? undefined : readConfig(flags.config).masterKey) ?? inEnvironment,
    keyOverlapDays: file.keyOverlapDays ?? 30,
    evidence: {
      waiting: WAITING,
      waitingOfOne: WAITING_OF_ONE,
      bytes: (file.evidence?.mostGigabytes ?? 50) * 1e9,
      free: (file.evidence?.freeGigabytes ?? 1) * 1e9,
      keepMs: (file.evidence?.keepDays ?? 14) * 86_400_000,
    },
    evidenceFolders: file.evidence?.folders ?? [],
    workers: flags.workers ?? file.workers ?? Math.max(1, availableParallelism() - 1),
    platforms: platformsOf(file),
    graceSeconds: file.graceSeconds ?? 10,
    limits: {
      handshakeMs: (limits.handshakeSeconds ?? 10) * 1000,
      upstreamMs: (limits.upstreamSeconds ?? 10) * 1000,
      messageBytes: limits.messageBytes ?? 16 * 1024 * 1024,
      sessions: limits.sessions ?? 10_000,
      handshakes: limits.handshakes ?? 4096,
      holdMs: (flags.hold ?? file.holdSeconds ?? 0) * 1000,
    },
  };
}

/** The certificate must be good for it too. */
const publicName = (text: string | undefined): string[] =>
  text === undefined ? [] : [new URL(checkPublicUrl(text)).hostname];

/** Passkeys are bound to a name, never to an address. */
function checkPublicUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (
    url?.protocol === 'https:' &&
    url.origin === text.replace(/\/$/, '') &&
    isIP(url.hostname.replace(/[[\]]/g, '')) === 0
  ) {
    return url.origin;
  }
  throw new PosternError(
    'POSTERN_INVALID',
    `publicUrl is not the address of the API for browsers: ${JSON.stringify(text)}`,
    'It is https with a name and, if need be, a port, and nothing else: https://postern.bank.example:8443.',
  );
}

/** Where the environment says that the master key is; null where it says nothing. */
export function masterKeyInEnvironment(): MasterKeySource | null {
  const { POSTERN_MASTER_KEY_FILE: file, POSTERN_MASTER_KEY: key } = process.env;
  if (file) return { file };
  return key ? { environment: 'POSTERN_MASTER_KEY' } : null;
}

function platformsOf({ sts = {}, kubernetes = [] }: ConfigFile): ServeConfig['platforms'] {
  const [host = '', port] = sts.address?.split(':') ?? [];
  return {
    sts: {
      ...(sts.address !== undefined && { address: { host, port: Number(port) } }),
      ...(sts.ca !== undefined && { ca: readText(sts.ca, 'the certificate authority of STS') }),
    },
    clusters: kubernetes.map(({ ca, ...cluster }) => ({
      ...cluster,
      ca: readText(ca, `the certificate authority of the cluster ${cluster.name}`),
    })),
  };
}

function readText(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new PosternError('POSTERN_INVALID', `${what} cannot be read: ${(error as Error).message}`);
  }
}

function readConfig(path: string): ConfigFile {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new PosternError(
      'POSTERN_INVALID',
      `the configuration file ${path} cannot be read: ${(error as Error).message}`,
    );
  }
  if (Value.Check(ConfigFile, json)) return json;
  const first = Value.Errors(ConfigFile, json)[0];
  const where = first === undefined || first.instancePath === '' ? '' : ` at ${first.instancePath}`;
  throw new PosternError(
    'POSTERN_INVALID',
    `the configuration file ${path} is not valid${where}: ${first?.message ?? 'unknown'}`,
  );
}
