import { fork } from 'node:child_process';
import { PosternError } from '../../core/errors.ts';
import type { AssessJob, AssessWord } from './process.ts';

/** Within this time the database must be built and all queries answered, in milliseconds. */
const DEADLINE_MS = 120_000;
/** Megabytes of objects; what SQLite takes is limited by itself. */
const HEAP_MB = 2048;

/**
 * Assesses, in a process of its own, and answers `assertions.json`.
 *
 * @throws PosternError POSTERN_INVALID where the framework or one of its queries is not valid, or takes too long
 */
export function runAssessment(job: AssessJob, deadlineMs = DEADLINE_MS): Promise<string> {
  const child = fork(new URL('./process.ts', import.meta.url), {
    serialization: 'advanced',
    execArgv: [`--max-old-space-size=${HEAP_MB}`],
    env: {},
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let at: string | null = null;
  return new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(tooLong(at, deadlineMs)), deadlineMs);
    child.on('message', (word: AssessWord) => {
      if ('at' in word) at = word.at;
      else if ('done' in word) resolve(word.done);
      else reject(new PosternError('POSTERN_INVALID', word.failed));
    });
    child.on('error', reject);
    // After an answer this changes nothing any more.
    child.on('exit', () =>
      reject(new PosternError('POSTERN_INTERNAL', `The assessment ended${asking(at)}.`)),
    );
    child.on('exit', () => clearTimeout(timer));
    child.send(job);
  }).finally(() => child.kill('SIGKILL'));
}

function tooLong(at: string | null, deadlineMs: number): PosternError {
  return new PosternError(
    'POSTERN_INVALID',
    `The assessment takes longer than ${deadlineMs / 1000} seconds${asking(at)}.`,
  );
}

function asking(at: string | null): string {
  return at === null ? ' while its tables were filled' : ` while it asked for ${at}`;
}
