/** SIGKILL at every system call that changes the disk: `npm run test:crash` plays all of them and then random ones. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Point } from './support/faults.ts';
import { playAll, randomNumbers, randomStory, Stage, type Story } from './support/faults-crash.ts';

describe('a ledger killed with SIGKILL', () => {
  let stage: Stage;
  before(async () => {
    stage = await Stage.set();
  });
  after(() => stage?.strike());

  const play = async (stories: readonly Story[]): Promise<void> => {
    const failures: unknown[] = [];
    const { kills, hits } = await playAll(stage, stories, (error) => failures.push(error));
    assert.deepEqual(failures, []);
    // A test that kills nothing would find nothing. (Random points may lie behind the end of a shorter run.)
    assert.ok(hits >= 0.7 * kills, `${hits} of ${kills} kills hit`);
  };
  /** Every so many of the points. Most are SQLite's, inside a transaction, where there is less to be found. */
  const some = (points: readonly Point[], files: number, database: number): Point[] =>
    points.filter(({ call, n }, i) => (call === 'pwrite64' ? n % database === 0 : i % files === 0));

  it('before any write, sync, rename or deletion of a run keeps what was acknowledged, once and in order', async () => {
    assert.ok(stage.points.log.length > 200);
    await play(some(stage.points.log, 2, 12).map((point) => ({ onLog: true, kills: [point] })));
  });

  it('while a log is begun begins it again', async () => {
    assert.ok(stage.points.empty.length > 200);
    await play(some(stage.points.empty, 6, 20).map((point) => ({ onLog: false, kills: [point] })));
  });

  it('again and again, while it starts, too, and where no journal can be synced, continues what it released', async (t) => {
    // In CI the same every time: there a change is judged, elsewhere new ground is searched.
    const seed = process.env.CI ? 1 : Math.floor(Math.random() * 2 ** 32);
    t.diagnostic(`seed ${seed}`);
    const random = randomNumbers(seed);
    await play(Array.from({ length: 24 }, () => randomStory(stage, random)));
  });
});
