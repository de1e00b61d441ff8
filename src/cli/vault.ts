import type { Command } from 'commander';
import type { RotatedMasterKey, VaultStatus } from './support/api-types.ts';
import { connected, examples } from './support/command.ts';
import { note, print, printJson, printList } from './support/output.ts';
import { formatFields } from './support/table.ts';
import { safeLine } from './support/text.ts';
import { formatTime } from './support/time.ts';

export function register(program: Command): void {
  const vault = program.command('vault').description('the keys under which secrets are sealed at rest');
  status(vault);
  rotate(vault);
}

function status(parent: Command): void {
  const command = parent
    .command('status')
    .description('show the master key (its id, not the key), the data keys, and what is sealed under which');
  connected(command, async ({ api, options }) => {
    const answer = await api.get<VaultStatus>('/v1/vault');
    if (options.json) return printJson(answer);
    const { masterKey, dataKeys, unknown, resealing } = answer;
    await print(
      formatFields([
        ['master key', masterKey.id],
        ['provided by', masterKey.provider],
        ['since', formatTime(masterKey.since)],
      ]),
    );
    await print('\n');
    await printList(
      dataKeys,
      [
        { title: 'data key', value: (key) => `${key.number}${key.current ? ' (current)' : ''}` },
        {
          title: 'made',
          value: (key) => (key.made === null ? 'before there were any' : formatTime(key.made)),
        },
        { title: 'secrets', value: (key) => String(key.secrets), align: 'right' },
        { title: 'keys of texts', value: (key) => String(key.textKeys), align: 'right' },
      ],
      { empty: '' },
    );
    if (resealing) note('What older keys sealed is being sealed anew.');
    if (unknown > 0) note(`${unknown} sealed values are of no key that is known: postern ledger check`);
  });
}

function rotate(parent: Command): void {
  const command = parent
    .command('rotate-master-key')
    .description(
      'replace the master key, and the data key with it, while everything runs; what is sealed is sealed anew',
    )
    .requiredOption('--reason <text>', 'why; it is kept in the log');
  examples(command, 'postern vault rotate-master-key --reason "yearly rotation"');
  command.addHelpText(
    'after',
    '\nA key in the data directory is made by Postern. One that is provided from outside is changed there first;\n' +
      'Postern then fetches it anew, from where the configuration file says now.',
  );
  connected<{ reason: string }>(command, async ({ api, options }) => {
    const done = await api.post<RotatedMasterKey>('/v1/vault/rotate-master-key', { reason: options.reason });
    if (options.json) return printJson(done);
    await print(`${safeLine(done.after.id)}\n`);
    note(`It replaces ${safeLine(done.before.id)}, which opens nothing that is written from now on.`);
    note('Make a backup now: one of before needs the old master key.');
  });
}
