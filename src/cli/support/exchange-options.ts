/** What `exchange`, `run --token-from` and `kube-credential` have in common. */
import { type Command, Option } from 'commander';
import type { Connection } from './connection.ts';
import { type ExchangeAnswer, type ExchangeKind, exchangeAt, KINDS } from './exchange-client.ts';
import { PLATFORMS, platformToken } from './platform-token.ts';
import { readSecret } from './secret-file.ts';
import { parseDuration } from './time.ts';

export interface ExchangeOptions {
  readonly tokenFrom: string;
  readonly audience: string;
  readonly resource?: string;
  readonly grant?: string;
  readonly for?: number;
  readonly delegation?: string;
}

export const fromOption = (): Option =>
  new Option(
    '--token-from <source>',
    `where the token is by which you prove who you are: ${PLATFORMS.join(', ')}, env:NAME, file:PATH, svid:PATH, key:PATH, -`,
  ).env('POSTERN_TOKEN_FROM');

export const audienceOption = (): Option =>
  new Option('--audience <audience>', 'audience that the binding asks for')
    .env('POSTERN_AUDIENCE')
    .default('postern');

export const delegationOption = (): Option =>
  new Option('--delegation <file>', 'act on behalf of whom this says (postern delegation create)');

/** Adds those of a command that asks for one credential. */
export function addExchangeOptions(command: Command): Command {
  return command
    .addOption(fromOption().makeOptionMandatory())
    .addOption(audienceOption())
    .option('--resource <resource>', 'a credential for this resource alone')
    .option('--grant <id>', 'a credential under this grant alone')
    .option('--for <duration>', 'how long it is valid, 1m to 60m (15m)', parseDuration)
    .addOption(delegationOption());
}

/** Proves who this job is, and asks for a credential of a kind. @param more parameters of that kind */
export async function exchangeFor(
  connection: Connection,
  kind: ExchangeKind,
  options: ExchangeOptions,
  more: Readonly<Record<string, string>> = {},
): Promise<ExchangeAnswer> {
  const { token, type } = await platformToken(options.tokenFrom, options.audience, process.env);
  const word = options.delegation === undefined ? null : readSecret(options.delegation, 'a delegation');
  const shown =
    word === null
      ? { subject_token: token, subject_token_type: type }
      : {
          subject_token: word,
          subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
          actor_token: token,
          actor_token_type: type,
        };
  return exchangeAt(connection, {
    ...shown,
    requested_token_type: KINDS[kind],
    audience: options.resource,
    scope: options.grant === undefined ? undefined : `grant:${options.grant}`,
    lifetime: options.for === undefined ? undefined : String(options.for),
    ...more,
  });
}
