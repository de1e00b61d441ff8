import { type Profiler, Session } from 'node:inspector';

/**
 * Which blocks of the code ran, from V8's own counters.
 *
 * @see https://v8.dev/blog/javascript-code-coverage
 */
export class Coverage {
  readonly #session = new Session();
  readonly #parts: readonly string[];

  /** @param parts of the paths of the files that count */
  constructor(parts: readonly string[]) {
    this.#parts = parts;
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** The blocks that ran since the last call, each with how often, in powers of two. */
  take(): Set<string> {
    const features = new Set<string>();
    // Answered before `post` returns: the session is in this thread.
    this.#session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error !== null) throw new Error(error.message);
      for (const { url, functions } of answer.result) {
        if (!this.#parts.some((part) => url.includes(part))) continue;
        for (const each of functions) addBlocks(features, url, each);
      }
    });
    return features;
  }
}

function addBlocks(features: Set<string>, url: string, { ranges }: Profiler.FunctionCoverage): void {
  for (const { startOffset, endOffset, count } of ranges) {
    if (count > 0) features.add(`${url}:${startOffset}-${endOffset}:${32 - Math.clz32(count)}`);
  }
}
