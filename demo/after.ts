import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pc from 'picocolors';
import { exportsOf, makeGrant } from './limits.ts';
import { PRINCIPAL } from './set-up.ts';
import { good, say, step, write } from './stage.ts';
import { HERE, type World } from './world.ts';

/** Gives the visitor a grant and a shell environment, and waits until they have seen enough. */
export async function leaveRunning(world: World): Promise<void> {
  step('Your turn: gateway and database keep running');
  const grant = await makeGrant(world, 'DEMO-1', '8h', 'a visitor looks around');
  const issue = ['credential', 'issue', '--principal', PRINCIPAL, '--grant', grant, '--for', '8h'];
  const issued = await world.postern(issue, { silent: true });
  const file = `${HERE}/env`;
  const variables = {
    ...exportsOf(issued.stdout),
    PGGSSENCMODE: 'disable',
    XDG_CONFIG_HOME: join(world.directory, 'config'),
  };
  const lines = Object.entries(variables).map(([name, value]) => `export ${name}='${value}'\n`);
  lines.push(`export PATH='${world.binaries}':"$PATH"\n`);
  writeFileSync(join(world.base, file), lines.join(''), { mode: 0o600 });
  good(`password and settings for a shell are in ${file} (mode 0600), good for 8 hours`);

  say('In another terminal, in this folder:');
  const hint = (command: string, what: string): void => {
    write(`  ${pc.bold(command.padEnd(62))} ${pc.dim(what)}\n`);
  };
  write('\n');
  hint(`. ${file}`, 'first');
  hint(`psql -c 'select * from ledger.balances limit 5'`, 'as the job, inside its grant');
  hint(`psql -c 'select name, card_number from ledger.customers limit 5'`, 'masked');
  hint(`psql -c 'select * from hr.salaries'`, 'outside it');
  hint('postern activity --decision deny', 'as Ada: everything that was refused');
  hint(`postern activity --principal ${PRINCIPAL} --summary`, 'what it did, on whose authority');
  hint('postern session list; postern grant list; postern ledger status', '');
  hint(`postern grant revoke ${grant} --reason enough`, 'ends your psql at once');
  write(`\n  The data is in ${HERE}/data, the package in ${HERE}/evidence.zip.\n`);
  write(`  ${pc.bold('Ctrl-C')} ends everything.\n`);
  await world.untilGatewayEnds();
}
