import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { Binding } from './support/api-types.ts';
import { path } from './support/client.ts';
import { type Call, connected, examples } from './support/command.ts';
import { usageError } from './support/failure.ts';
import { note, print, printJson } from './support/output.ts';
import { parseMoment } from './support/time.ts';

const REASON = ['--reason <text>', 'why; it is kept in the log'] as const;

/** `postern binding add` for what a principal holds a key of, and for the static secret. */
export function registerPossession(add: Command): void {
  addSpiffe(add);
  addCertificate(add);
  addSsh(add);
  addSecret(add);
}

/** `postern binding approve` and `decline`, for whoever was asked. */
export function registerApproval(parent: Command): void {
  const approve = parent
    .command('approve <id>')
    .description(
      'agree to a static secret that somebody else asked for, where you are the one who was named',
    );
  connected<object>(approve, async ({ api, options, args }) => {
    const done = await api.post<Binding>(path`/v1/bindings/${args[0] as string}/approve`, {});
    if (options.json) await printJson(done);
    else note(`The static secret of ${done.principal.name} opens sessions now.`);
  });
  const decline = parent
    .command('decline <id>')
    .description('do not agree to a static secret that somebody else asked for')
    .requiredOption(...REASON);
  connected<{ reason: string }>(decline, async ({ api, options, args }) => {
    const body = { reason: options.reason };
    const done = await api.post<Binding>(path`/v1/bindings/${args[0] as string}/decline`, body);
    if (options.json) await printJson(done);
    else note('The request is over.');
  });
}

async function send<O extends { readonly reason?: string }>(
  { api, options, args }: Call<O>,
  kind: string,
  body: object,
): Promise<void> {
  const made = await api.post<Binding>(path`/v1/principals/${args[0] as string}/bindings/${kind}`, {
    ...body,
    ...(options.reason !== undefined && { reason: options.reason }),
  });
  if (options.json) return printJson(made);
  note(`Binding ${made.id}: what says so proves ${made.principal.name}.`);
}

interface SpiffeOptions {
  readonly id: string;
  readonly audience?: string;
  readonly reason?: string;
}

function addSpiffe(parent: Command): void {
  const command = parent
    .command('spiffe <principal>')
    .description('by SVIDs of a SPIFFE ID, of a trust domain that is trusted here')
    .requiredOption('--id <spiffe-id>', 'the very ID; there are no wildcards')
    .option('--audience <text>', 'take JWT-SVIDs too, for this audience (X.509-SVIDs alone)')
    .option(...REASON);
  examples(command, 'postern binding add spiffe nightly --id spiffe://bank.example/ns/ledger/sa/nightly');
  connected<SpiffeOptions>(command, (call) => {
    const { id, audience } = call.options;
    return send(call, 'spiffe', { spiffeId: id, ...(audience !== undefined && { audience }) });
  });
}

const NAMES = ['subject', 'uri', 'dns', 'email'] as const;

interface CertificateOptions {
  readonly clientCa?: string;
  readonly subject?: string;
  readonly uri?: string;
  readonly dns?: string;
  readonly email?: string;
  readonly certificate?: string;
  readonly publicKeyOf?: string;
  readonly reason?: string;
}

function addCertificate(parent: Command): void {
  const command = parent
    .command('certificate <principal>')
    .description(
      'by a client certificate of a client CA that names exactly this, or by one certificate or key',
    )
    .option('--client-ca <name>', 'the client CA that it must lead to')
    .option('--subject <name>', 'its subject, as openssl -nameopt RFC2253,-esc_msb,utf8 writes it')
    .option('--uri <uri>', 'one of its URIs')
    .option('--dns <name>', 'one of its DNS names')
    .option('--email <address>', 'one of its e-mail addresses')
    .option('--certificate <file>', 'this certificate and no other')
    .option('--public-key-of <file>', 'any certificate with the key of this one')
    .option(...REASON);
  examples(
    command,
    'postern binding add certificate nightly --client-ca bank-pki --subject "CN=nightly,O=Bank"',
    'postern binding add certificate nightly --public-key-of nightly.crt',
  );
  connected<CertificateOptions>(command, (call) => {
    const { options } = call;
    const given = [
      ...NAMES.map((by) => [by, options[by]] as const),
      ['certificate', options.certificate && printOf(options.certificate, (it) => it.raw)] as const,
      [
        'public_key',
        options.publicKeyOf &&
          printOf(options.publicKeyOf, (it) => it.publicKey.export({ type: 'spki', format: 'der' })),
      ] as const,
    ].filter(([, value]) => value !== undefined);
    const [one, second] = given;
    if (one === undefined || second !== undefined)
      throw usageError(
        'a binding is by one thing',
        `Give one of --${NAMES.join(', --')}, --certificate, --public-key-of.`,
      );
    const { clientCa } = options;
    return send(call, 'certificate', {
      ...{ by: one[0], value: one[1] },
      ...(clientCa !== undefined && { trust: clientCa }),
    });
  });
}

function printOf(file: string, part: (certificate: X509Certificate) => Buffer): string {
  try {
    return createHash('sha256')
      .update(part(new X509Certificate(readFileSync(file))))
      .digest('hex');
  } catch (error) {
    throw usageError(`cannot read a certificate from ${file}: ${(error as Error).message}`);
  }
}

interface SshOptions {
  readonly publicKey?: string;
  readonly sshCa?: string;
  readonly sshPrincipal?: string;
  readonly reason?: string;
}

function addSsh(parent: Command): void {
  const command = parent
    .command('ssh <principal>')
    .description('by signatures with an SSH key, or with one that an SSH CA certified')
    .option('--public-key <file>', 'the public key, as in id_ed25519.pub')
    .option('--ssh-ca <name>', 'or: the SSH CA whose user certificates count')
    .option('--ssh-principal <name>', 'the principal that they must name')
    .option(...REASON);
  examples(command, 'postern binding add ssh nightly --public-key ~/.ssh/id_ed25519.pub');
  connected<SshOptions>(command, (call) => {
    const { publicKey, sshCa, sshPrincipal } = call.options;
    return send(call, 'ssh', {
      ...(publicKey !== undefined && { publicKey: readText(publicKey) }),
      ...(sshCa !== undefined && { trust: sshCa }),
      ...(sshPrincipal !== undefined && { sshPrincipal }),
    });
  });
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw usageError(`cannot read ${file}: ${(error as Error).message}`);
  }
}

interface SecretOptions {
  readonly reason: string;
  readonly approver: string;
  readonly expires: string;
}

function addSecret(parent: Command): void {
  const command = parent
    .command('secret <principal>')
    .description('by a static secret: the exception, which somebody else must agree to, and which ends')
    .requiredOption(
      '--reason <text>',
      'why nothing better is possible; it is kept in the log and shown to examiners',
    )
    .requiredOption('--approver <person>', 'who is asked to agree: id, name or e-mail address')
    .requiredOption(
      '--expires <time>',
      'when it ends, in 365 days at most: a day, a time, or a duration from now',
      (text) => parseMoment(text, 1),
    );
  examples(
    command,
    'postern binding add secret old-appliance --reason "cannot hold a key" --approver grace@bank.example --expires 30d',
  );
  connected<SecretOptions>(command, async ({ api, options, args }) => {
    const { reason, approver, expires } = options;
    const made = await api.post<{ binding: Binding; username: string; password: string }>(
      path`/v1/principals/${args[0] as string}/bindings/secret`,
      { reason, approver, expiresAt: expires },
    );
    if (options.json) return printJson(made);
    await print(made.password);
    note(
      `The secret is shown this once. It opens nothing until ${approver} agrees: postern binding approve ${made.binding.id}`,
    );
  });
}
