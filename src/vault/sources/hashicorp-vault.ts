import { readFileSync } from 'node:fs';
import { AnswerError, at, callJson, encoded, secretText } from './https.ts';
import { notThatForm, type SecretReference, type SecretSource, type SecretValue } from './reference.ts';

export interface VaultConfig {
  readonly kind: 'vault';
  readonly url: string;
  readonly ca?: string | undefined;
  readonly namespace?: string | undefined;
  readonly auth:
    | { readonly tokenFile: string }
    | {
        readonly approle: {
          readonly mount?: string | undefined;
          readonly roleIdFile: string;
          readonly secretIdFile: string;
        };
      }
    | {
        readonly kubernetes: {
          readonly mount?: string | undefined;
          readonly role: string;
          readonly tokenFile?: string | undefined;
        };
      };
}

export const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
/** A token is not used in the last part of its time. */
const MARGIN = 0.8;

/**
 * The KV engine, version 2, of HashiCorp Vault and OpenBao: `vault+kv://source/mount/path#field`.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version
 */
export class HashicorpVault implements SecretSource {
  readonly scheme = 'vault+kv';
  readonly #config: VaultConfig;
  readonly #ca: string | undefined;
  #token: { readonly text: string; readonly goodUntil: number } | null = null;

  /** @param ca PEM */
  constructor(config: VaultConfig, ca: string | undefined) {
    this.#config = config;
    this.#ca = ca;
  }

  check({ path, field }: SecretReference): void {
    if (path.length < 2 || field === null) throw notThatForm('vault+kv://source/mount/path#field');
  }

  async read(reference: SecretReference, signal: AbortSignal): Promise<SecretValue> {
    const known = this.#token !== null;
    try {
      return await this.#read(reference, signal);
    } catch (error) {
      // The token may have been revoked before its time.
      if (!known || !(error instanceof AnswerError) || error.status !== 403) throw error;
      this.#token = null;
      return this.#read(reference, signal);
    }
  }

  async #read({ path, field }: SecretReference, signal: AbortSignal): Promise<SecretValue> {
    const [mount = '', ...rest] = path;
    const token = await this.#login(signal);
    const answer = await this.#call('GET', `${encoded([mount])}/data/${encoded(rest)}`, signal, {
      'x-vault-token': token,
    });
    const version = at(answer, 'data', 'metadata', 'version');
    return {
      value: secretText(at(answer, 'data', 'data', field ?? '')),
      version: typeof version === 'number' ? String(version) : '',
    };
  }

  async #login(signal: AbortSignal): Promise<string> {
    const { auth } = this.#config;
    if ('tokenFile' in auth) return lineOf(auth.tokenFile);
    if (this.#token !== null && this.#token.goodUntil > Date.now()) return this.#token.text;
    const [mount, body] =
      'approle' in auth
        ? [
            auth.approle.mount ?? 'approle',
            { role_id: lineOf(auth.approle.roleIdFile), secret_id: lineOf(auth.approle.secretIdFile) },
          ]
        : [
            auth.kubernetes.mount ?? 'kubernetes',
            {
              role: auth.kubernetes.role,
              jwt: lineOf(auth.kubernetes.tokenFile ?? `${SERVICE_ACCOUNT}/token`),
            },
          ];
    const path = `auth/${encoded(mount.split('/'))}/login`;
    const answer = await this.#call('POST', path, signal, {}, JSON.stringify(body));
    const text = at(answer, 'auth', 'client_token');
    const seconds = at(answer, 'auth', 'lease_duration');
    if (typeof text !== 'string' || typeof seconds !== 'number')
      throw new Error('gave no token at the login');
    this.#token = { text, goodUntil: Date.now() + seconds * 1000 * MARGIN };
    return text;
  }

  #call(
    method: 'GET' | 'POST',
    path: string,
    signal: AbortSignal,
    headers: Readonly<Record<string, string>>,
    body?: string,
  ): Promise<Readonly<Record<string, unknown>>> {
    const { url, namespace } = this.#config;
    return callJson({
      ...{ method, url: new URL(`${url.replace(/\/+$/, '')}/v1/${path}`), signal, ca: this.#ca },
      headers: {
        ...headers,
        'x-vault-request': 'true',
        ...(namespace !== undefined && { 'x-vault-namespace': namespace }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body }),
    });
  }
}

/** A token or id in a file; read each time, since who writes it replaces it. */
export function lineOf(file: string): string {
  const text = readFileSync(file, 'utf8').trim();
  if (text === '' || text.length > 16_384 || /\s/.test(text))
    throw new Error(`${file} does not hold one token`);
  return text;
}
