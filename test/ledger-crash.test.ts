/** SIGKILL at every system call that changes the disk: `npm run test:crash` plays all of them and then random ones. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { playAll, randomNumbers, randomStory, Stage, type Story } from './support/faults-crash.ts';

describe('a ledger killed with SIGKILL', () => {
  let stage: Stage;
  before(async () => {
    stage = await Stage.set();
  });
  after(() => stage?.strike());

  const play = async (stories: readonly Story[]): Promise<void> => {
    const failures: unknown[] = [];
    await playAll(stage, stories, (error) => failures.push(error));
    assert.deepEqual(failures, []);
  };
  const each = (points: Stage['points']['log'], step: number): Stage['points']['log'] =>
    points.filter((_, i) => i % step === 0);

  it('before any write, sync, rename or deletion of a run keeps what was acknowledged, once and in order', async () => {
    assert.ok(stage.points.log.length > 200);
    await play(each(stage.points.log, 6).map((point) => ({ onLog: true, kills: [point] })));
  });

  it('while a log is begun begins it again', async () => {
    assert.ok(stage.points.empty.length > 200);
    await play(each(stage.points.empty, 9).map((point) => ({ onLog: false, kills: [point] })));
  });

  it('again and again, while it starts, too, and where no journal can be synced, continues what it released', async (t) => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    t.diagnostic(`seed ${seed}`);
    const random = randomNumbers(seed);
    await play(Array.from({ length: 24 }, () => randomStory(stage, random)));
  });
});
