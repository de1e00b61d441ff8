import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Type } from 'typebox';
import { CliError } from '../support/failure.ts';
import { readSecret } from '../support/secret-file.ts';
import { type Action, differences } from './action.ts';
import type { Kind, Planning } from './kind.ts';
import type { Manifest } from './manifests.ts';

const text = (maxLength: number) => Type.String({ minLength: 1, maxLength });
const closed = { additionalProperties: false };

/** A secret is never in the file: it says where it is. */
const passwordFrom = Type.Union([
  Type.Object({ env: Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]*$', maxLength: 200 }) }, closed),
  Type.Object({ file: text(1000) }, closed),
]);
const login = Type.Object({ user: text(63), passwordFrom }, closed);

interface Login {
  readonly user: string;
  readonly passwordFrom: { readonly env?: string; readonly file?: string };
}

interface ResourceSpec {
  readonly host: string;
  readonly port?: number;
  readonly database: string;
  readonly tls?: {
    readonly mode?: string;
    readonly ca?: string;
    readonly caFile?: string;
    readonly serverName?: string;
    readonly negotiation?: string;
  };
  readonly environment: string;
  readonly classification: string;
  readonly durability?: string;
  readonly catalogAccess?: string;
  readonly resultDigest?: boolean;
  /** E-mail address. */
  readonly owner?: string;
  readonly upstream: Login;
  readonly admin?: Login;
}

export const resourceKind: Kind = {
  name: 'Resource',
  declares: 'resource',
  spec: Type.Object(
    {
      protocol: Type.Literal('postgres'),
      host: text(253),
      port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
      database: text(63),
      tls: Type.Optional(
        Type.Object(
          {
            mode: Type.Optional(Type.Enum(['disable', 'require', 'verify-ca', 'verify-full'])),
            ca: Type.Optional(text(16_384)),
            caFile: Type.Optional(text(1000)),
            serverName: Type.Optional(text(253)),
            negotiation: Type.Optional(Type.Enum(['postgres', 'direct'])),
          },
          closed,
        ),
      ),
      environment: text(64),
      classification: text(64),
      durability: Type.Optional(Type.Enum(['process', 'power'])),
      catalogAccess: Type.Optional(Type.Enum(['tools', 'none'])),
      resultDigest: Type.Optional(Type.Boolean()),
      owner: Type.Optional(text(320)),
      upstream: login,
      admin: Type.Optional(login),
    },
    closed,
  ),
  plan: (manifest, spec: ResourceSpec, planning) => {
    const before = planning.live.resources.get(manifest.name);
    const wanted = wantedOf(manifest, spec);
    if (before === undefined) return [created(manifest, spec, wanted)];
    planning.kept.add(before.id);
    if (before.status === 'retired') {
      return refused(manifest, planning, `${manifest.name} is retired; a name is never used again`);
    }
    if (spec.upstream.user !== before.upstream.user || spec.admin?.user !== before.admin?.user) {
      return refused(
        manifest,
        planning,
        `the users of ${manifest.name} upstream are changed with their passwords, not here: postern resource --help`,
      );
    }
    const tls = before.tls;
    const is = {
      ...before,
      owner: before.owner?.email ?? null,
      tls: { ...tls, negotiation: tls.negotiation ?? 'postgres' },
    };
    const changes = differences({ ...is }, wanted);
    if (changes.length === 0) return [];
    const body: Record<string, unknown> = Object.fromEntries(
      changes.map(({ field, after }) => [field, after]),
    );
    if (body.tls !== undefined) body.tls = tlsBody(wanted.tls);
    const step = {
      operation: 'resource.update',
      ref: before.id,
      body: { ...body, reason: planning.reason },
    } as const;
    const declares = { kind: 'resource', id: before.id } as const;
    return [{ verb: 'update', kind: 'Resource', name: manifest.name, manifest, changes, step, declares }];
  },
};

function refused({ file, line }: Manifest, planning: Planning, message: string): Action[] {
  planning.problems.push({ file, line, message });
  return [];
}

function created(manifest: Manifest, spec: ResourceSpec, wanted: ReturnType<typeof wantedOf>): Action {
  const body = {
    ...wanted,
    name: manifest.name,
    protocol: 'postgres',
    tls: tlsBody(wanted.tls),
    upstream: loginOf(manifest, spec.upstream, ['upstream']),
    ...(spec.admin && { admin: loginOf(manifest, spec.admin, ['admin']) }),
  };
  // Without the passwords: it is shown.
  const changes = differences({}, { ...wanted, upstream: { user: spec.upstream.user } });
  return {
    ...{ verb: 'create', kind: 'Resource', name: manifest.name, manifest, changes },
    step: { operation: 'resource.create', body },
    declares: { kind: 'resource', id: null },
  };
}

/** What is wanted as the server keeps it, with its defaults. */
function wantedOf(manifest: Manifest, spec: ResourceSpec) {
  const { tls = {} } = spec;
  const ca = tls.caFile === undefined ? tls.ca : readCa(manifest, tls.caFile);
  return {
    host: spec.host.trim().toLowerCase(),
    port: spec.port ?? 5432,
    database: spec.database,
    tls: {
      mode: tls.mode ?? 'verify-full',
      ca: ca === undefined ? null : certificates(ca),
      serverName: tls.serverName?.toLowerCase() ?? null,
      negotiation: tls.negotiation ?? 'postgres',
    },
    environment: spec.environment,
    classification: spec.classification,
    durability: spec.durability ?? 'process',
    catalogAccess: spec.catalogAccess ?? 'tools',
    resultDigest: spec.resultDigest ?? false,
    // Where the declaration is silent the owner is left to people.
    ...(spec.owner !== undefined && { owner: spec.owner.toLowerCase() }),
  };
}

function tlsBody(tls: ReturnType<typeof wantedOf>['tls']): object {
  return Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== null));
}

/** The certificates alone, as the server keeps them; a text without any goes as it is, to be refused there. */
function certificates(pem: string): string {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  return blocks === null ? pem : `${blocks.join('\n')}\n`;
}

/** Files are named from where the declaration is. */
const beside = (manifest: Manifest, file: string): string => resolve(dirname(manifest.file), file);

function readCa(manifest: Manifest, file: string): string {
  try {
    return readFileSync(beside(manifest, file), 'utf8');
  } catch (error) {
    throw wrong(manifest, ['tls', 'caFile'], `cannot read ${file}: ${(error as Error).message}`);
  }
}

function loginOf(manifest: Manifest, { user, passwordFrom }: Login, at: string[]): object {
  const { env, file } = passwordFrom;
  if (file !== undefined) return { user, password: readSecret(beside(manifest, file), 'the password') };
  if (/^POSTERN_/i.test(env ?? '')) {
    // Who writes a declaration is not to send the token of who applies it to a server of their choice.
    throw wrong(manifest, [...at, 'passwordFrom', 'env'], `${env} is for Postern itself`);
  }
  const password = process.env[env ?? ''];
  if (password === undefined || password === '') {
    throw wrong(manifest, [...at, 'passwordFrom', 'env'], `the environment variable ${env} is not set`);
  }
  return { user, password };
}

const wrong = (manifest: Manifest, at: string[], message: string): CliError =>
  new CliError('CLI_INVALID_DECLARATION', `${manifest.file}:${manifest.lineOf(at)}: ${message}`);
