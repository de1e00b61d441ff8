import type { Command } from 'commander';
import { Option } from 'commander';
import { newClientKey } from './support/client-key.ts';
import { addServerOptions, type CommonOptions, examples } from './support/command.ts';
import { resolveConnection } from './support/connection.ts';
import { addExchangeOptions, type ExchangeOptions, exchangeFor } from './support/exchange-options.ts';
import { usageError } from './support/failure.ts';
import { printJson } from './support/output.ts';

const API_VERSION = 'client.authentication.k8s.io/v1';

interface Options extends CommonOptions, ExchangeOptions {
  readonly kind: 'jwt' | 'certificate';
}

/** Credentials for kubectl. @see https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins */
export function register(program: Command): void {
  const command = addExchangeOptions(
    program
      .command('kube-credential')
      .description('print a credential for kubectl and other clients of Kubernetes (exec plugin)'),
  ).addOption(new Option('--kind <kind>', 'what to get').choices(['jwt', 'certificate']).default('jwt'));
  examples(command, 'postern kube-credential --token-from github --resource cluster-a');
  command.addHelpText('after', HELP);
  addServerOptions(command).action(async () => {
    const options = command.opts<Options>();
    checkAsked(process.env.KUBERNETES_EXEC_INFO);
    const connection = resolveConnection(options, process.env);
    const key = options.kind === 'certificate' ? await newClientKey() : null;
    const more: Record<string, string> = key === null ? {} : { csr: key.csrPem };
    const answer = await exchangeFor(connection, options.kind, options, more);
    await printJson({
      apiVersion: API_VERSION,
      kind: 'ExecCredential',
      status: {
        expirationTimestamp: new Date(Date.parse(answer.expires_at)).toISOString().replace(/\.\d+Z$/, 'Z'),
        ...(key === null
          ? { token: answer.access_token }
          : { clientCertificateData: answer.access_token, clientKeyData: key.keyPem }),
      },
    });
  });
}

const HELP = `
In a kubeconfig:
  users:
  - name: postern
    user:
      exec:
        apiVersion: ${API_VERSION}
        command: postern
        args: [kube-credential, --token-from, github, --resource, cluster-a]
        interactiveMode: Never`;

/** kubectl says which version it speaks. */
function checkAsked(info: string | undefined): void {
  if (info === undefined) return;
  let version: unknown;
  try {
    version = (JSON.parse(info) as { apiVersion?: unknown }).apiVersion;
  } catch {
    throw usageError('KUBERNETES_EXEC_INFO is not what kubectl would say');
  }
  if (version !== API_VERSION)
    throw usageError(
      `kubectl asks for ${String(version)}`,
      `Write apiVersion: ${API_VERSION} in the kubeconfig.`,
    );
}
