import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { Preset } from '../identity/presets/preset.ts';
import { applyPreset, PRESETS } from '../identity/presets/presets.ts';
import { registerPlatforms } from './binding-platforms.ts';
import { registerPossession } from './binding-possession.ts';
import type { BindingMade } from './support/api-types.ts';
import { path } from './support/client.ts';
import { type Call, connected, examples } from './support/command.ts';
import { usageError } from './support/failure.ts';
import { note, printJson } from './support/output.ts';

/** `postern binding add`: a command for each platform, and one for any other issuer. */
export function registerAdd(parent: Command): Command {
  const add = parent.command('add').description('bind a principal to what proves it');
  for (const preset of PRESETS) addPreset(add, preset);
  registerPlatforms(add);
  registerPossession(add);
  addOidc(add);
  return add;
}

interface OidcOptions {
  readonly issuer?: string;
  readonly audience: string;
  readonly reason?: string;
  readonly caFile?: string;
  readonly server?: string;
  readonly jwksFile?: string;
}

const ISSUER = '--issuer <url>';

/** Flags that all tokens of an issuer have in common. */
function oidcFlags(command: Command): Command {
  return command
    .requiredOption(
      '--audience <text>',
      'the claim "aud": what the token is made for, such as the address of this Postern',
    )
    .option('--ca-file <file>', 'authority that the issuer certificate is of, PEM')
    .option('--server <url>', 'where to ask for the keys, if not at the issuer itself')
    .option('--jwks-file <file>', 'the keys themselves (JWK Set): the issuer is never asked')
    .option('--reason <text>', 'why; it is kept in the log');
}

/** `--repository-id` is `repositoryId` among the options. */
const nameOf = (flag: string): string =>
  flag.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

function addPreset(parent: Command, preset: Preset): void {
  const command = parent.command(`${preset.name} <principal>`).description(`by token: ${preset.about}`);
  for (const { flag, about, required } of preset.claims) {
    const flags = `--${flag} <value>`;
    if (required) command.requiredOption(flags, about);
    else command.option(flags, about);
  }
  if (preset.issuer.usual === null) command.requiredOption(ISSUER, 'as the claim "iss" has it');
  else command.option(ISSUER, `if not ${preset.issuer.usual}`);
  oidcFlags(command);
  const shown = preset.claims.filter(({ required }) => required).map(({ flag }) => `--${flag} ...`);
  examples(
    command,
    `postern binding add ${preset.name} ci-ledger ${shown.join(' ')} --audience https://postern.bank.example`,
  );
  connected<OidcOptions>(command, async (call) => {
    const given = call.options as unknown as Readonly<Record<string, string | undefined>>;
    const values = Object.fromEntries(preset.claims.map(({ flag }) => [flag, given[nameOf(flag)]]));
    await send(call, { preset: preset.name, ...applyPreset(preset, values, call.options.issuer) });
  });
}

/** `sub=job-1` */
function claim(text: string, previous: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf('=');
  const name = text.slice(0, at);
  if (at < 1 || at === text.length - 1)
    throw usageError(`"${text}" is no claim`, 'Write NAME=VALUE: sub=system:job-1.');
  if (Object.hasOwn(previous, name)) throw usageError(`the claim ${name} is given twice`);
  return { ...previous, [name]: text.slice(at + 1) };
}

interface AnyOptions extends OidcOptions {
  readonly principal?: string;
  readonly issuer: string;
  readonly claim: Readonly<Record<string, string>>;
  readonly contains?: Readonly<Record<string, string>>;
  readonly reuse?: true;
}

function addOidc(parent: Command): void {
  const command = parent
    .command('oidc [principal]', { isDefault: true })
    .description('by tokens of any other OIDC issuer, where they say exactly this')
    .option('--principal <principal>', 'whose, if not named first')
    .requiredOption(ISSUER, 'as the claim "iss" has it')
    .requiredOption(
      '--claim <name=value>',
      'a claim (or /CLAIM/NAME within one) and its exact value; may be given again',
      claim,
    )
    .option(
      '--contains <name=value>',
      'a claim that is a list, and one of its values; may be given again',
      claim,
    )
    .option('--reuse', 'take a token again at the exchange until it ends');
  oidcFlags(command);
  examples(
    command,
    'postern binding add oidc nightly --issuer https://issuer.bank.example --audience https://postern.bank.example \\\n' +
      '      --claim sub=nightly-1',
  );
  connected<AnyOptions>(command, async (call) => {
    const { issuer, claim: claims, contains, reuse } = call.options;
    await send(call, { issuer, claims, ...(contains && { contains }), ...(reuse && { reuse }) });
  });
}

async function send(call: Call<OidcOptions & { readonly principal?: string }>, what: object): Promise<void> {
  const { api, options, args } = call;
  const principal = args[0] ?? options.principal;
  if (principal === undefined)
    throw usageError('no principal is named', 'Write it first: postern binding add oidc PRINCIPAL ...');
  const { audience, reason, caFile, server, jwksFile } = options;
  const keys = {
    ...(caFile !== undefined && { ca: textIn(caFile) }),
    ...(server !== undefined && { server }),
    ...(jwksFile !== undefined && { jwks: textIn(jwksFile) }),
  };
  const made = await api.post<BindingMade>(path`/v1/principals/${principal}/bindings`, {
    ...what,
    audience,
    ...(Object.keys(keys).length > 0 && { keys }),
    ...(reason !== undefined && { reason }),
  });
  if (options.json) return printJson(made);
  note(`Binding ${made.id}: tokens of the issuer that say so prove ${made.principal.name}.`);
  for (const { code, message, fix } of made.findings) note(`Warning (${code}): ${message} ${fix}`);
}

function textIn(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw usageError(`${file} cannot be read: ${(error as Error).message}`);
  }
}
