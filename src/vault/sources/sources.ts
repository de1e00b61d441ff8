import { readFileSync } from 'node:fs';
import { type Static, Type } from 'typebox';
import { PosternError } from '../../core/errors.ts';
import { AwsSecretsManager } from './aws.ts';
import { GcpSecretManager } from './gcp.ts';
import { HashicorpVault, SERVICE_ACCOUNT } from './hashicorp-vault.ts';
import { KubernetesSecrets } from './kubernetes.ts';
import { SecretEnvironment, SecretFiles } from './local.ts';
import { parseReference, type SecretReference, type SecretSource } from './reference.ts';

const closed = { additionalProperties: false };
const Text = Type.String({ minLength: 1, maxLength: 1000 });
const Https = Type.String({ pattern: '^https://[^\\s@?#]+$', maxLength: 1000 });
const common = {
  /** What references may begin with behind the name of the source; default: anything. */
  paths: Type.Optional(Type.Array(Text, { minItems: 1, maxItems: 100 })),
};
const ca = Type.Optional(Text);

/** One source in the configuration file. */
export const SourceConfig = Type.Union([
  Type.Object(
    {
      ...common,
      ...{ kind: Type.Literal('vault'), url: Https, ca, namespace: Type.Optional(Text) },
      auth: Type.Union([
        Type.Object({ tokenFile: Text }, closed),
        Type.Object(
          {
            approle: Type.Object(
              { mount: Type.Optional(Text), roleIdFile: Text, secretIdFile: Text },
              closed,
            ),
          },
          closed,
        ),
        Type.Object(
          {
            kubernetes: Type.Object(
              { mount: Type.Optional(Text), role: Text, tokenFile: Type.Optional(Text) },
              closed,
            ),
          },
          closed,
        ),
      ]),
    },
    closed,
  ),
  Type.Object(
    {
      ...common,
      kind: Type.Literal('aws'),
      region: Type.String({ pattern: '^[a-z0-9-]{2,40}$' }),
      ...{ endpoint: Type.Optional(Https), ca },
      credentials: Type.Union([
        Type.Object({ environment: Type.Literal(true) }, closed),
        Type.Object({ file: Text, profile: Type.Optional(Text) }, closed),
      ]),
    },
    closed,
  ),
  Type.Object(
    {
      ...common,
      ...{ kind: Type.Literal('gcp'), endpoint: Type.Optional(Https), tokenUrl: Type.Optional(Https), ca },
      auth: Type.Union([
        Type.Object({ serviceAccountFile: Text }, closed),
        Type.Object({ metadata: Type.Union([Type.Literal(true), Text]) }, closed),
      ]),
    },
    closed,
  ),
  Type.Object(
    {
      ...common,
      ...{ kind: Type.Literal('kubernetes'), url: Type.Optional(Https), ca, tokenFile: Type.Optional(Text) },
    },
    closed,
  ),
  Type.Object({ ...common, kind: Type.Literal('file'), directory: Text }, closed),
  Type.Object({ ...common, kind: Type.Literal('environment') }, closed),
]);
export type SourceConfig = Static<typeof SourceConfig>;

interface Configured {
  readonly source: SecretSource;
  readonly paths: readonly string[] | null;
}

/** The sources of the configuration, by name. Nothing but what stands there is ever asked. */
export class SecretSources {
  readonly #sources: ReadonlyMap<string, Configured>;

  /** @throws PosternError POSTERN_INVALID where an authority cannot be read */
  constructor(configs: Readonly<Record<string, SourceConfig>>) {
    this.#sources = new Map(
      Object.entries(configs).map(([name, config]) => [
        name,
        { source: sourceOf(config), paths: config.paths ?? null },
      ]),
    );
  }

  /**
   * The source that a reference names, and what it says there.
   *
   * @throws PosternError POSTERN_INVALID where there is no such source, or it is not open to that
   */
  find(text: string): { readonly source: SecretSource; readonly reference: SecretReference } {
    const reference = parseReference(text);
    const configured = this.#sources.get(reference.source);
    if (configured === undefined || configured.source.scheme !== reference.scheme) {
      throw new PosternError(
        'POSTERN_INVALID',
        `There is no source ${reference.scheme}://${reference.source} of secrets.`,
        'Whoever operates Postern names the sources in its configuration file, as secretSources.',
      );
    }
    const path = reference.path.join('/');
    const { source, paths } = configured;
    if (paths !== null && !paths.some((allowed) => isBelow(path, allowed))) {
      throw new PosternError(
        'POSTERN_INVALID',
        `The source ${reference.source} is not open to ${path}.`,
        'Whoever operates Postern says in its configuration file what of a source may be used, as paths.',
      );
    }
    source.check(reference);
    return { source, reference };
  }
}

/** Whether a path is an allowed one or lies below it. */
function isBelow(path: string, allowed: string): boolean {
  const folder = allowed.replace(/\/+$/, '');
  return path === folder || path.startsWith(`${folder}/`);
}

function sourceOf(config: SourceConfig): SecretSource {
  switch (config.kind) {
    case 'vault':
      return new HashicorpVault(config, pemOf(config.ca));
    case 'aws':
      return new AwsSecretsManager(config, pemOf(config.ca));
    case 'gcp':
      return new GcpSecretManager(config, pemOf(config.ca));
    case 'kubernetes':
      // In a cluster its own authority; elsewhere the operator says which.
      return new KubernetesSecrets(
        config,
        pemOf(config.ca ?? (config.url === undefined ? `${SERVICE_ACCOUNT}/ca.crt` : undefined)),
      );
    case 'file':
      return new SecretFiles(config.directory);
    case 'environment':
      return new SecretEnvironment();
  }
}

function pemOf(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new PosternError(
      'POSTERN_INVALID',
      `the authority of a source of secrets cannot be read: ${(error as Error).message}`,
    );
  }
}
