/** Kills `faults-victim.ts` at chosen points and checks what is left: for the tests and for `npm run test:crash`. */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { countCalls, type Injection, killedAt, type Point, startFaulty } from './faults.ts';
import { checkHistory, makeDirectory, makeLog, Witnessed } from './faults-history.ts';

const VICTIM = fileURLToPath(new URL('./faults-victim.ts', import.meta.url));

/** Journals are synced with fdatasync, everything else with fsync. */
const NO_DATASYNC: Injection = { calls: ['fdatasync'], effect: 'error=EIO' };

/** One crash after the other on the same data directory. */
export interface Story {
  /** Whether a log is there already. */
  readonly onLog: boolean;
  readonly kills: readonly Point[];
  /** What else goes wrong meanwhile. */
  readonly besides?: readonly Injection[];
}

export function storyName({ onLog, kills, besides }: Story): string {
  const where = kills.map(({ call, n }) => `${call} ${n}`).join(', ');
  const more = (besides ?? []).map(({ calls, effect }) => ` with ${calls.join(',')}:${effect}`).join('');
  return `${onLog ? 'a log' : 'an empty directory'}, killed before ${where}${more}`;
}

/** A log to begin with, copied for every story, and the points of an undisturbed run. */
export class Stage {
  readonly #log: string;
  /** Points of a run on the log, and in an empty directory. */
  readonly points: { readonly log: readonly Point[]; readonly empty: readonly Point[] };

  private constructor(log: string, points: Stage['points']) {
    this.#log = log;
    this.points = points;
  }

  static async set(): Promise<Stage> {
    const log = makeDirectory();
    // The run that follows fills the second bundle, so that a full tile and bundle come about and partial ones are swept.
    makeLog(log, 490);
    return new Stage(log, { log: await pointsOf(log), empty: await pointsOf(null) });
  }

  /**
   * Plays a story; how many of its kills hit. (One that was to come later than the run took does not.)
   *
   * @throws Error where something is not as it must be, with the story's name
   */
  async play(story: Story): Promise<number> {
    const dir = makeDirectory();
    try {
      if (story.onLog) cpSync(this.#log, dir, { recursive: true });
      const witnessed = new Witnessed();
      let hits = 0;
      for (const [i, point] of story.kills.entries()) {
        const injections = [killedAt(point), ...(story.besides ?? [])];
        const running = await startFaulty(injections, process.execPath, [VICTIM, dir, `run${i}`]);
        const { code, signal } = await running.exited;
        witnessed.hear(running.stdout);
        witnessed.look(dir);
        if (signal === 'SIGKILL') hits += 1;
        else if (code !== 0) throw new Error(`it did not start again (${code}): ${running.stderr}`);
      }
      checkHistory(dir, witnessed);
      return hits;
    } catch (error) {
      throw new Error(`${storyName(story)}: ${(error as Error).message}`, { cause: error });
    } finally {
      rmSync(dir, { recursive: true });
    }
  }

  strike(): void {
    rmSync(this.#log, { recursive: true });
  }
}

async function pointsOf(log: string | null): Promise<Point[]> {
  const dir = makeDirectory();
  const calls = join(makeDirectory(), 'calls');
  try {
    if (log !== null) cpSync(log, dir, { recursive: true });
    const counts = await countCalls(calls, process.execPath, [VICTIM, dir, 'counted']);
    return [...counts].flatMap(([call, count]) =>
      Array.from({ length: count }, (_, i) => ({ call, n: i + 1 })),
    );
  } finally {
    rmSync(dir, { recursive: true });
    rmSync(join(calls, '..'), { recursive: true });
  }
}

/** Numbers that look random and are the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Several crashes in a row, also while starting again after the one before; in some, no fdatasync of a journal succeeds. */
export function randomStory({ points }: Stage, random: (below: number) => number): Story {
  const onLog = random(4) > 0;
  const pool = onLog ? points.log : points.empty;
  const kills = Array.from({ length: 2 + random(3) }, () => pool[random(pool.length)] as Point);
  return { onLog, kills, ...(random(3) === 0 && { besides: [NO_DATASYNC] }) };
}

/** Plays stories, a few side by side; calls `failed` for each that does not hold. */
export async function playAll(
  stage: Stage,
  stories: Iterable<Story>,
  failed: (error: unknown) => void,
): Promise<{ readonly stories: number; readonly kills: number; readonly hits: number }> {
  const queue = stories[Symbol.iterator]();
  const played = { stories: 0, kills: 0, hits: 0 };
  const lane = async (): Promise<void> => {
    for (let next = queue.next(); !next.done; next = queue.next()) {
      try {
        const hits = await stage.play(next.value);
        played.hits += hits;
        played.kills += next.value.kills.length;
      } catch (error) {
        failed(error);
      }
      played.stories += 1;
    }
  };
  await Promise.all(Array.from({ length: 3 }, lane));
  return played;
}
