/** For tests: a sink that keeps what was flushed, and can be made to fail as a full disk does. */
import { PosternError } from '../core/errors.ts';
import type { ChangeRecord, RecordSink } from '../core/record.ts';

export class MemorySink implements RecordSink {
  readonly written: string[] = [];
  failing = false;
  #queue: string[] = [];

  append(json: string): void {
    this.#queue.push(json);
  }

  flush(): void {
    const queue = this.#queue;
    this.#queue = [];
    if (this.failing) throw new PosternError('POSTERN_AUDIT_UNAVAILABLE', 'The journal cannot be written.');
    this.written.push(...queue);
  }

  /** The change records among them, parsed. */
  changes(): ChangeRecord[] {
    return this.written
      .map((json) => JSON.parse(json) as ChangeRecord)
      .filter((record) => record.change !== undefined);
  }
}
