/**
 * The long form of test/ledger-crash.test.ts: `npm run test:crash -- [--minutes 10] [--seed N]`. Kills a writing, sequencing
 * process before each of its system calls that change the disk, once each, and then at random ones, several in a row, until
 * the time is up.
 */
import { parseArgs } from 'node:util';
import { playAll, randomNumbers, randomStory, Stage, type Story } from '../test/support/faults-crash.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 32)) },
  },
});
const end = Date.now() + Number(values.minutes) * 60_000;
const random = randomNumbers(Number(values.seed));
const say = (text: string): boolean => process.stdout.write(`${text}\n`);

function* stories(stage: Stage): Generator<Story> {
  const { log, empty } = stage.points;
  for (const point of log) yield { onLog: true, kills: [point] };
  for (const point of empty) yield { onLog: false, kills: [point] };
  say('every point was played; now random ones');
  while (Date.now() < end) yield randomStory(stage, random);
}

say(`seed ${values.seed}`);
const stage = await Stage.set();
let failures = 0;
try {
  const played = await playAll(stage, stories(stage), (error) => {
    failures += 1;
    say(`FAIL ${(error as Error).message}`);
  });
  say(`${played.stories} stories, ${played.hits} times killed, ${failures} stories failed`);
  // A test that kills nothing would find nothing.
  if (played.hits < 0.7 * played.kills) failures += 1;
} finally {
  stage.strike();
}
process.exitCode = failures === 0 ? 0 : 1;
