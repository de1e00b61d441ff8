import { createSign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { at, callJson, encoded, fieldOf } from './https.ts';
import { notThatForm, type SecretReference, type SecretSource, type SecretValue } from './reference.ts';

export interface GcpConfig {
  readonly kind: 'gcp';
  readonly endpoint?: string | undefined;
  readonly tokenUrl?: string | undefined;
  readonly ca?: string | undefined;
  readonly auth:
    | { readonly serviceAccountFile: string }
    /** Of the machine: the metadata server, asked without TLS, at this host and port. */
    | { readonly metadata: string | true };
}

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
const METADATA = '169.254.169.254';
const MARGIN = 0.8;

/**
 * GCP Secret Manager: `gcp-sm://source/project/secret` or `.../version`, with `#field` where the secret is JSON.
 *
 * @see https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access
 */
export class GcpSecretManager implements SecretSource {
  readonly scheme = 'gcp-sm';
  readonly #config: GcpConfig;
  readonly #ca: string | undefined;
  #token: { readonly text: string; readonly goodUntil: number } | null = null;

  /** @param ca PEM */
  constructor(config: GcpConfig, ca: string | undefined) {
    this.#config = config;
    this.#ca = ca;
  }

  check({ path }: SecretReference): void {
    if (path.length < 2 || path.length > 3)
      throw notThatForm('gcp-sm://source/project/secret[/version]#field');
  }

  async read({ path, field }: SecretReference, signal: AbortSignal): Promise<SecretValue> {
    const [project = '', secret = '', version = 'latest'] = path;
    const { endpoint = 'https://secretmanager.googleapis.com' } = this.#config;
    const name = encoded(['projects', project, 'secrets', secret, 'versions', version]);
    const answer = await callJson({
      ...{ method: 'GET', url: new URL(`/v1/${name}:access`, endpoint), ca: this.#ca, signal },
      headers: { authorization: `Bearer ${await this.#login(signal)}` },
    });
    const data = at(answer, 'payload', 'data');
    const text = typeof data === 'string' ? Buffer.from(data, 'base64').toString('utf8') : '';
    const resource = at(answer, 'name');
    return { value: fieldOf(text, field), version: typeof resource === 'string' ? resource : '' };
  }

  async #login(signal: AbortSignal): Promise<string> {
    if (this.#token !== null && this.#token.goodUntil > Date.now()) return this.#token.text;
    const { auth } = this.#config;
    const answer =
      'metadata' in auth ? await fromMetadata(auth.metadata, signal) : await this.#fromKey(auth, signal);
    const seconds = at(answer, 'expires_in');
    if (typeof seconds !== 'number') throw new Error('gave no token');
    const text = tokenOf(at(answer, 'access_token'));
    this.#token = { text, goodUntil: Date.now() + seconds * 1000 * MARGIN };
    return text;
  }

  /** @see https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests */
  #fromKey(
    { serviceAccountFile }: { readonly serviceAccountFile: string },
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, unknown>>> {
    // Where the file says that tokens are to be had is not asked: it would be sent a proof of who we are.
    const { tokenUrl = 'https://oauth2.googleapis.com/token' } = this.#config;
    const key = parsed(readFileSync(serviceAccountFile, 'utf8'));
    const now = Math.floor(Date.now() / 1000);
    const issuer = at(key, 'client_email');
    const pem = at(key, 'private_key');
    if (typeof issuer !== 'string' || typeof pem !== 'string')
      throw new Error('has no service account in its key file');
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = { iss: issuer, scope: SCOPE, aud: tokenUrl, iat: now, exp: now + 3600 };
    const unsigned = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}`;
    const assertion = `${unsigned}.${createSign('sha256').update(unsigned).sign(pem, 'base64url')}`;
    return callJson({
      ...{ method: 'POST', url: new URL(tokenUrl), ca: this.#ca, signal },
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        assertion,
      }).toString(),
    });
  }
}

/** @see https://cloud.google.com/compute/docs/access/authenticate-workloads#applications */
function fromMetadata(host: string | true, signal: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
  const path = '/computeMetadata/v1/instance/service-accounts/default/token';
  return callJson(
    {
      ...{
        method: 'GET',
        url: new URL(path, `http://${host === true ? METADATA : host}`),
        ca: undefined,
        signal,
      },
      headers: { 'metadata-flavor': 'Google' },
    },
    true,
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // What the parser says may quote the key.
    throw new Error('has no service account in its key file');
  }
}

function tokenOf(value: unknown): string {
  if (typeof value !== 'string' || value === '' || value.length > 16_384) throw new Error('gave no token');
  return value;
}
