import { createHash } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Binding } from './support/api-types.ts';
import { ApiClient } from './support/client.ts';
import { addServerOptions, type CommonOptions, examples } from './support/command.ts';
import { profileDirectory, resolveConnection } from './support/connection.ts';
import { usageError } from './support/failure.ts';
import {
  newKey,
  nextAssertion,
  publicOf,
  readKeyFile,
  signedWith,
  thumbprintOf,
  withKeyFile,
  writeKeyFile,
} from './support/key-file.ts';
import { note, print, printJson } from './support/output.ts';
import { askSecret } from './support/prompt.ts';
import { readSecret } from './support/secret-file.ts';

interface Options extends CommonOptions {
  readonly tokenFile?: string;
  readonly key?: string;
  readonly rotate?: true;
}

interface Joined {
  readonly binding: Binding & { readonly generation: number };
  readonly audience: string;
}

const HERE = 'the key file (POSTERN_KEY; else key.json in the directory of the profile)';
const keyPath = (given: string | undefined): string =>
  given ?? process.env.POSTERN_KEY ?? join(profileDirectory(process.env), 'key.json');

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

export function register(program: Command): void {
  const command = program
    .command('join')
    .description(
      'make a key pair on this machine and enrol it with a one-time token: the private key stays here',
    )
    .option('--token-file <file>', 'the token of postern principal join-token, "-" for standard input')
    .option('--key <file>', HERE)
    .option('--rotate', 'put a new key in the place of the one that is enrolled');
  examples(
    command,
    'postern join --token-file ./token --key /etc/nightly/postern-key.json',
    'postern exchange --token-from key:/etc/nightly/postern-key.json --resource ledger-db',
  );
  addServerOptions(command).action(async () => {
    const options = command.opts<Options>();
    // Nobody is signed in here: the token of a person has no place in it.
    const api = new ApiClient({ ...resolveConnection(options, process.env), token: null });
    const path = keyPath(options.key);
    const done = options.rotate ? await rotate(api, path) : await enrol(api, path, options.tokenFile);
    if (options.json) return printJson(done.binding);
    note(`The key in ${path} proves ${done.binding.principal.name}.`);
  });
}

/** `postern assertion`: for whoever speaks to the token endpoint with other means. */
export function registerAssertion(program: Command): void {
  const command = program
    .command('assertion')
    .description('print an assertion of the key that joined: it is good for two minutes, once')
    .option('--key <file>', HERE)
    .option('--json', 'print JSON');
  examples(command, 'postern assertion --key /etc/nightly/postern-key.json');
  command.action(async () => {
    const { key, json } = command.opts<Options>();
    const assertion = await nextAssertion(keyPath(key));
    await (json ? printJson({ assertion }) : print(assertion));
  });
}

async function enrol(api: ApiClient, path: string, tokenFile: string | undefined): Promise<Joined> {
  if (existsSync(path)) throw usageError(`${path} exists already`, 'Give another file, or --rotate.');
  const token =
    tokenFile === undefined
      ? await askSecret('Join token', 'Give it with --token-file FILE.')
      : readSecret(tokenFile, 'a join token');
  return withKeyFile(path, async () => {
    const { audience } = await api.get<{ audience: string }>('/v1/join');
    const key = newKey();
    const jwk = publicOf(key);
    const says = { sub: thumbprintOf(jwk), beside_sha256: sha256(token) };
    const proof = signedWith(key, audience, says, 'postern-join+jwt');
    const joined = await api.post<Joined>('/v1/join', { token, jwk, proof });
    const { id, principal } = joined.binding;
    writeKeyFile(path, { principal: principal.name, audience, binding: id, sequence: 0, key });
    return joined;
  });
}

function rotate(api: ApiClient, path: string): Promise<Joined> {
  return withKeyFile(path, async () => {
    const old = readKeyFile(path);
    const sequence = old.sequence + 1;
    const next = newKey();
    const jwk = publicOf(next);
    // The number is used up, and the new key on the disk, before anything is asked: an answer that is lost loses no key.
    writeKeyFile(path, { ...old, sequence });
    writeKeyFile(`${path}.next`, { ...old, sequence, key: next });
    const { audience, principal } = old;
    const names = { iss: principal, sub: principal, seq: sequence, cnf: { jkt: thumbprintOf(jwk) } };
    const assertion = signedWith(old.key, audience, names, 'postern-rotate+jwt');
    const says = { sub: thumbprintOf(jwk), beside_sha256: sha256(assertion) };
    const proof = signedWith(next, audience, says, 'postern-join+jwt');
    const rotated = await api.post<Joined>('/v1/join/rotate', { assertion, jwk, proof });
    writeKeyFile(path, { ...old, sequence, key: next });
    rmSync(`${path}.next`);
    return rotated;
  });
}
