import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Command } from 'commander';
import { formatWitnessKey, generateWitnessKey, loadWitnessKey } from '../ledger/cosignature.ts';
import type { PrivateKey } from '../ledger/keys.ts';
import { type NoteVerifier, parseVerifierKeys, saveSigner } from '../ledger/note.ts';
import { WitnessLogs } from '../ledger/witness-logs.ts';
import { witnessServer } from '../ledger/witness-server.ts';
import { DataLock } from '../store/lock.ts';
import { examples } from './support/command.ts';
import { CliError, usageError } from './support/failure.ts';

interface WitnessOptions {
  readonly data: string;
  readonly listen: string;
  readonly log: readonly string[];
  readonly name?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

export function register(program: Command): void {
  const command = program
    .command('witness')
    .description('be a witness of a log: vouch that it only grows, on a machine of your own')
    .requiredOption('--data <dir>', 'where the witness keeps its key and what it has vouched for')
    .requiredOption('--listen <host:port>', 'address to listen on')
    .requiredOption('--log <vkey...>', 'verifier keys of the logs to watch, or files with them')
    .option('--name <name>', 'name of the key that the first start makes (default: a random one)')
    .option('--tls-cert <file>', 'certificate, PEM; without it plain HTTP: nothing that is said is secret')
    .option('--tls-key <file>', 'its private key, PEM');
  examples(
    command,
    'postern witness --data /var/lib/witness --listen 0.0.0.0:7380 --name audit.bank.example/witness \\\n' +
      '      --log "postern.local/9b1f0a3c5d7e8f21+7a3c91d0+AZ..."',
  );
  command.addHelpText(
    'after',
    '\nThe verifier key is printed: give it to the log (docs/witness.md). SIGTERM or Ctrl-C ends the witness.',
  );
  command.action(() => serve(command.opts<WitnessOptions>()));
}

const say = (message: string): void => {
  process.stderr.write(`${new Date().toISOString()} ${message}\n`);
};

async function serve(options: WitnessOptions): Promise<void> {
  const { host, port } = addressOf(options.listen);
  const tls = tlsOf(options);
  const watched = options.log.flatMap(keysOf);
  const lock = DataLock.acquire(options.data);
  try {
    const key = ownKey(options);
    const logs = new WitnessLogs(options.data, key, watched, say);
    const server = witnessServer({ logs, tls, say });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => {
        reject(new CliError('CLI_LISTEN', `cannot listen on ${options.listen}: ${error.message}`));
      });
      server.listen(port, host, resolve);
    });
    process.stdout.write(`${formatWitnessKey(key)}\n`);
    const bound = server.address() as AddressInfo;
    say(`witness on ${tls ? 'https' : 'http'}://${bound.address}:${bound.port}`);
    for (const { name } of watched) say(`watches ${name}, cosigned up to leaf ${logs.sizeOf(name)}`);
    await new Promise<void>((resolve) => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
    });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  } finally {
    lock.release();
  }
}

function ownKey({ data, name }: WitnessOptions): PrivateKey {
  const file = join(data, 'witness.key');
  if (!existsSync(file)) {
    saveSigner(file, generateWitnessKey(name ?? `postern.local/witness-${randomBytes(8).toString('hex')}`));
  }
  const key = loadWitnessKey(file);
  if (name !== undefined && name !== key.name) {
    throw usageError(`the key in ${file} is named ${key.name}`, 'Leave --name out, or name another --data.');
  }
  return key;
}

/** Keys given on the command line, or in a file as `log.vkey` is one. */
function keysOf(text: string): readonly NoteVerifier[] {
  const inline = /^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$/.test(text);
  return parseVerifierKeys(inline ? text : readText(text));
}

function addressOf(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || !(port <= 65_535)) throw usageError(`"${text}" is not HOST:PORT`);
  return { host, port };
}

function tlsOf({ tlsCert, tlsKey }: WitnessOptions): { cert: string; key: string } | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) throw usageError('--tls-cert and --tls-key go together');
  return { cert: readText(tlsCert), key: readText(tlsKey) };
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw usageError(`cannot read ${file}: ${(error as Error).message}`);
  }
}
