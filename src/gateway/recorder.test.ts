import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { TurnRecorder } from './recorder.ts';

/** A journal in memory that refuses when it is told to, and any write of over `limit` bytes of payloads. */
class MemoryJournal {
  readonly written: string[] = [];
  readonly writes: number[] = [];
  refuses = false;
  #queue: { json: string; bytes: number }[] = [];

  append(json: string, payloads: readonly { readonly data: Uint8Array }[] = []): void {
    this.#queue.push({ json, bytes: payloads.reduce((sum, { data }) => sum + data.length, 0) });
  }

  flush(): void {
    const queue = this.#queue;
    this.#queue = [];
    if (queue.length === 0) return;
    if (this.refuses) throw new Error('refused');
    this.writes.push(queue.reduce((sum, { bytes }) => sum + bytes, 0));
    this.written.push(...queue.map(({ json }) => json));
  }

  async sync(): Promise<void> {
    if (this.refuses) throw new Error('refused');
  }
}

function recorder() {
  const journal = new MemoryJournal();
  const faults: unknown[] = [];
  return { journal, faults, recorder: new TurnRecorder(journal, (error) => faults.push(error)) };
}

describe('the recorder of a worker', () => {
  it('writes all records of a turn with one write, and then lets go what waited, in order', async () => {
    const { journal, recorder: it } = recorder();
    const heard: string[] = [];
    it.append('{1}');
    it.afterWrite('process', (written) => heard.push(`a ${written} ${journal.written}`));
    it.append('{2}');
    it.afterWrite('process', (written) => heard.push(`b ${written} ${journal.written}`));
    assert.deepEqual(heard, []);
    await turn();
    assert.deepEqual(heard, ['a true {1},{2}', 'b true {1},{2}']);
    assert.equal(journal.writes.length, 1);
  });

  it('tells everyone who waited when the write fails, reports the fault, and works again afterwards', async () => {
    const { journal, faults, recorder: it } = recorder();
    const heard: boolean[] = [];
    journal.refuses = true;
    it.append('{1}');
    it.afterWrite('process', (written) => heard.push(written));
    it.afterWrite('power', (written) => heard.push(written));
    await turn();
    assert.deepEqual(heard, [false, false]);
    assert.equal(faults.length, 1);
    journal.refuses = false;
    it.append('{2}');
    it.afterWrite('process', (written) => heard.push(written));
    await turn();
    assert.deepEqual([heard.at(-1), journal.written], [true, ['{2}']]);
  });

  it('counts nothing as durable whose sync fails', async () => {
    const { journal, faults, recorder: it } = recorder();
    it.append('{1}');
    const durable = new Promise<boolean>((resolve) => it.afterWrite('power', resolve));
    journal.sync = () => Promise.reject(new Error('disk'));
    assert.equal(await durable, false);
    assert.equal(faults.length, 1);
  });

  it('writes records that nothing waits for a moment later', async () => {
    const { journal, recorder: it } = recorder();
    it.append('{1}');
    await turn();
    assert.deepEqual(journal.written, []);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(journal.written, ['{1}']);
  });

  it('keeps every write small, however much one client makes it record in a turn', async () => {
    const { journal, recorder: it } = recorder();
    const data = Buffer.alloc(16 * 1024 * 1024);
    for (let i = 0; i < 40; i++) it.append(`{${i}}`, [{ kind: 'statement', data }]);
    const written = new Promise<boolean>((resolve) => it.afterWrite('process', resolve));
    assert.equal(await written, true);
    assert.equal(journal.written.length, 40);
    assert.ok(Math.max(...journal.writes) <= 64 * 1024 * 1024);
  });

  it('lets nothing of a turn go when a part of its records was lost on the way', async () => {
    const { journal, recorder: it } = recorder();
    const data = Buffer.alloc(33 * 1024 * 1024);
    journal.refuses = true;
    it.append('{1}', [{ kind: 'statement', data }]);
    journal.refuses = false;
    it.append('{2}');
    const first = new Promise<boolean>((resolve) => it.afterWrite('process', resolve));
    assert.equal(await first, false);
    const second = new Promise<boolean>((resolve) => it.afterWrite('process', resolve));
    assert.equal(await second, true);
  });
});
