import { type Command, Option } from 'commander';
import { ApiClient } from './client.ts';
import { type ConnectionOptions, DEFAULT_API, resolveConnection } from './connection.ts';
import { usageError } from './failure.ts';

export interface CommonOptions extends ConnectionOptions {
  readonly json?: boolean;
}

/** What the action of a command that speaks to the API gets. */
export interface Call<O> {
  readonly api: ApiClient;
  readonly options: O & CommonOptions;
  /** The operands. An optional one that is absent is absent here too. */
  readonly args: readonly string[];
}

const CONNECTION = 'Connection:';

/** Adds the flags that say where the API is. */
export function addServerOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--api <url>', `address of the API (POSTERN_API; else ${DEFAULT_API})`).helpGroup(
        CONNECTION,
      ),
    )
    .addOption(new Option('--ca <file>', 'certificate authority to trust (POSTERN_CA)').helpGroup(CONNECTION))
    .addOption(
      new Option(
        '--data <dir>',
        'instead of both: the data directory of a Postern on this machine',
      ).helpGroup(CONNECTION),
    )
    .option('--json', 'print JSON');
}

/** Makes a command one that speaks to the API: adds its flags and gives its action a client. */
export function connected<O>(command: Command, act: (call: Call<O>) => Promise<void>): Command {
  addServerOptions(command).addOption(
    new Option('--token-file <file>', 'API token, "-" for standard input (POSTERN_TOKEN)').helpGroup(
      CONNECTION,
    ),
  );
  return command.action(async () => {
    const options = command.opts<O & CommonOptions>();
    const api = new ApiClient(resolveConnection(options, process.env));
    await act({ api, options, args: command.args });
  });
}

/** Adds examples below the help of a command. */
export function examples(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`);
}

/** A value that is a whole number within bounds. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(number >= least && number <= most)) {
      throw usageError(`"${text}" is not a whole number from ${least} to ${most}`);
    }
    return number;
  };
}

/** As {@link listOf}, of these words alone. */
export function listFrom<T extends string>(choices: readonly T[]) {
  return (text: string, previous: readonly string[] | undefined): readonly string[] => {
    const words = listOf(text, previous);
    const strange = words.find((word) => !(choices as readonly string[]).includes(word));
    if (strange === undefined) return words;
    throw usageError(`"${strange}" is none of them`, `Choose from ${choices.join(', ')}.`);
  };
}

/** Values given by several flags, or by one with commas. */
export function listOf(text: string, previous: readonly string[] | undefined): readonly string[] {
  const words = text.split(',').map((word) => word.trim());
  return [...(previous ?? []), ...words.filter((word) => word !== '')];
}
