import { lineOf, SERVICE_ACCOUNT } from './hashicorp-vault.ts';
import { at, callJson, encoded, secretText } from './https.ts';
import { notThatForm, type SecretReference, type SecretSource, type SecretValue } from './reference.ts';

export interface KubernetesConfig {
  readonly kind: 'kubernetes';
  /** Default: the cluster in which Postern runs. */
  readonly url?: string | undefined;
  /** Default: that of the service account. */
  readonly ca?: string | undefined;
  readonly tokenFile?: string | undefined;
}

/**
 * Secrets of a Kubernetes cluster: `k8s://source/namespace/name#key`. The token is read for each call, since a projected one is replaced.
 *
 * @see https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/
 */
export class KubernetesSecrets implements SecretSource {
  readonly scheme = 'k8s';
  readonly #config: KubernetesConfig;
  readonly #ca: string | undefined;

  /** @param ca PEM */
  constructor(config: KubernetesConfig, ca: string | undefined) {
    this.#config = config;
    this.#ca = ca;
  }

  check({ path, field }: SecretReference): void {
    if (path.length !== 2 || field === null) throw notThatForm('k8s://source/namespace/name#key');
  }

  async read({ path, field }: SecretReference, signal: AbortSignal): Promise<SecretValue> {
    const [namespace = '', name = ''] = path;
    const { url = 'https://kubernetes.default.svc', tokenFile = `${SERVICE_ACCOUNT}/token` } = this.#config;
    const answer = await callJson({
      method: 'GET',
      url: new URL(`/api/v1/namespaces/${encoded([namespace])}/secrets/${encoded([name])}`, url),
      headers: { authorization: `Bearer ${lineOf(tokenFile)}` },
      ...{ ca: this.#ca, signal },
    });
    const version = at(answer, 'metadata', 'resourceVersion');
    return {
      value: secretText(at(answer, 'data', field ?? ''), 'base64'),
      version: typeof version === 'string' ? version : '',
    };
  }
}
