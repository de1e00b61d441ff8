import { readFileSync } from 'node:fs';
import { at, callJson, fieldOf, secretText } from './https.ts';
import { notThatForm, type SecretReference, type SecretSource, type SecretValue } from './reference.ts';
import { type AwsCredentials, signedHeaders } from './sigv4.ts';

export interface AwsConfig {
  readonly kind: 'aws';
  readonly region: string;
  /** Default: that of the region. */
  readonly endpoint?: string | undefined;
  readonly ca?: string | undefined;
  /** In the environment (`AWS_ACCESS_KEY_ID` and so on), or in a file of profiles. Those of a machine's metadata are not asked for. */
  readonly credentials:
    | { readonly environment: true }
    | { readonly file: string; readonly profile?: string | undefined };
}

/**
 * AWS Secrets Manager: `aws-sm://source/name`, with `#field` where the secret is JSON.
 *
 * @see https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
 */
export class AwsSecretsManager implements SecretSource {
  readonly scheme = 'aws-sm';
  readonly #config: AwsConfig;
  readonly #ca: string | undefined;
  readonly #environment: NodeJS.ProcessEnv;

  /** @param ca PEM */
  constructor(config: AwsConfig, ca: string | undefined, environment: NodeJS.ProcessEnv = process.env) {
    this.#config = config;
    this.#ca = ca;
    this.#environment = environment;
  }

  check({ path }: SecretReference): void {
    if (path.join('/').length > 512) throw notThatForm('aws-sm://source/name#field');
  }

  async read({ path, field }: SecretReference, signal: AbortSignal): Promise<SecretValue> {
    const { region, endpoint = `https://secretsmanager.${region}.amazonaws.com` } = this.#config;
    const url = new URL(endpoint);
    const body = JSON.stringify({ SecretId: path.join('/') });
    const headers = signedHeaders(
      {
        ...{ method: 'POST', host: url.host, path: '/', body, region, service: 'secretsmanager' },
        headers: {
          'content-type': 'application/x-amz-json-1.1',
          'x-amz-target': 'secretsmanager.GetSecretValue',
        },
      },
      this.#credentials(),
      new Date(),
    );
    const answer = await callJson({ method: 'POST', url, headers, body, ca: this.#ca, signal });
    const version = at(answer, 'VersionId');
    const binary = at(answer, 'SecretBinary');
    const text =
      typeof binary === 'string' ? secretText(binary, 'base64') : String(at(answer, 'SecretString') ?? '');
    return { value: fieldOf(text, field), version: typeof version === 'string' ? version : '' };
  }

  #credentials(): AwsCredentials {
    const { credentials } = this.#config;
    if ('file' in credentials) return profileOf(credentials.file, credentials.profile ?? 'default');
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = this.#environment;
    return complete(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN);
  }
}

/** @see https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html */
function profileOf(file: string, profile: string): AwsCredentials {
  const found = new Map<string, string>();
  let inside = false;
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const section = /^\s*\[([^\]]+)\]\s*$/.exec(line);
    if (section !== null) inside = section[1]?.trim() === profile;
    const [, name = '', value = ''] = /^\s*([a-z_]+)\s*=\s*(\S+)\s*$/.exec(line) ?? [];
    if (inside && name !== '') found.set(name, value);
  }
  return complete(
    found.get('aws_access_key_id'),
    found.get('aws_secret_access_key'),
    found.get('aws_session_token'),
  );
}

function complete(id?: string, secret?: string, token?: string): AwsCredentials {
  if (!id || !secret) throw new Error('has no credentials for AWS');
  return { accessKeyId: id, secretAccessKey: secret, sessionToken: token || null };
}
