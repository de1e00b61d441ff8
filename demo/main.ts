/**
 * The main job of Postern as a story, with a real PostgreSQL, a real gateway and real clients: `npm run demo`.
 * Whatever does not go as it must ends the demo with exit code 1, so it is a check too.
 */
import { parseArgs } from 'node:util';
import { ensureDebianPackages, PSQL } from '../scripts/need.ts';
import { leaveRunning } from './after.ts';
import { evidence } from './evidence.ts';
import { answer, runJob } from './job.ts';
import { endOfGrant, refusals } from './limits.ts';
import { setUp } from './set-up.ts';
import { failed, say, title } from './stage.ts';
import { World } from './world.ts';

const { values: options } = parseArgs({
  options: { exit: { type: 'boolean', default: false }, in: { type: 'string' } },
});

async function play(world: World): Promise<void> {
  title('Postern: the side gate that machines use');
  say(
    `A bank's nightly job posts to its ledger. Tonight it goes through Postern: under its own name, inside a grant that
    ends with the job, with every statement recorded before it runs, and with evidence that anyone can check.`,
  );
  const postgres = await setUp(world);
  await runJob(world, postgres);
  const live = await refusals(world, postgres);
  await endOfGrant(world, live);
  await answer(world);
  await evidence(world);
  title('That was the story');
  if (!options.exit) await leaveRunning(world);
}

let interrupted = false;
let world: World | null = null;
function interrupt(): void {
  interrupted = true;
  void world?.close();
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
// Nobody reads on (`| head`).
process.stdout.on('error', interrupt);

try {
  ensureDebianPackages([PSQL]);
  world = await World.create(options.in ?? process.cwd());
  await play(world);
} catch (error) {
  if (!interrupted) {
    failed((error as Error).message);
    process.exitCode = 1;
  }
} finally {
  await world?.close();
}
if (interrupted) process.exitCode = 130;
