import type { Batch, Sender } from './batch.ts';
import { HttpsPost, type HttpsTarget } from './https-post.ts';

/**
 * Posts batches as newline-delimited JSON, compressed. `postern-batch` is the same for the same events, so that a receiver can tell
 * what comes twice.
 */
export class HttpsSender implements Sender {
  readonly settleMs = 0;
  readonly #post: HttpsPost;

  constructor(target: HttpsTarget, secret: string | null) {
    this.#post = new HttpsPost(target, secret);
  }

  async send({ from, next, events }: Batch, signal: AbortSignal): Promise<number> {
    const body = events.map(({ json }) => `${json}\n`).join('');
    await this.#post.post(body, 'application/x-ndjson', { 'postern-batch': `${from}-${next}` }, signal);
    return 0;
  }

  async close(): Promise<void> {
    this.#post.close();
  }
}
