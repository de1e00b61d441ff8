import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import type { Recorder } from '../contract.ts';
import { Outbox } from './outbox.ts';

/** A recorder whose writes succeed or fail when it is told so. */
class ManualRecorder implements Recorder {
  readonly waiting: ((written: boolean) => void)[] = [];

  append(): void {
    throw new Error('the outbox records nothing itself');
  }

  afterWrite(_durability: 'process' | 'power', callback: (written: boolean) => void): void {
    this.waiting.push(callback);
  }

  settle(written: boolean): void {
    for (const callback of this.waiting.splice(0)) callback(written);
  }
}

describe('the outbox', () => {
  let resource: Socket;
  let socket: Socket;
  let received: Buffer[];
  const server = createServer();
  before(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(() => {
    server.close();
    socket.destroy();
    resource.destroy();
  });
  beforeEach(async () => {
    socket?.destroy();
    const address = server.address() as { port: number };
    socket = connect(address.port, '127.0.0.1');
    [resource] = (await once(server, 'connection')) as [Socket];
    received = [];
    resource.on('data', (chunk: Buffer) => received.push(chunk));
    resource.on('error', () => resource.destroy());
  });

  const arrived = async (): Promise<string> => {
    socket.end();
    await once(resource, 'end');
    return Buffer.concat(received).toString();
  };
  const outbox = (recorder: Recorder, full = () => undefined): Outbox =>
    new Outbox(socket, recorder, 'process', full);
  const X = (): Buffer => Buffer.from('X');

  it('forwards what needs no record at once', async () => {
    const recorder = new ManualRecorder();
    const out = outbox(recorder);
    out.add(Buffer.from('a'));
    out.add(Buffer.from('-bc-'), 1, 3);
    out.flush();
    assert.equal(recorder.waiting.length, 0);
    assert.equal(await arrived(), 'abc');
  });

  it('forwards nothing before its record is written, and nothing behind it either', async () => {
    const recorder = new ManualRecorder();
    const out = outbox(recorder);
    out.addGuarded(Buffer.from('a'), 0, 1, X);
    out.flush();
    out.add(Buffer.from('b'));
    out.flush();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(received, []);
    recorder.settle(true);
    assert.equal(await arrived(), 'ab');
  });

  it('puts the refusal in the place of exactly that message whose record could not be written', async () => {
    const recorder = new ManualRecorder();
    const out = outbox(recorder);
    const buffer = Buffer.from('a1b2c');
    out.add(buffer, 0, 1);
    out.addGuarded(buffer, 1, 2, X);
    out.add(buffer, 2, 3);
    out.addGuarded(buffer, 3, 4, X);
    out.add(buffer, 4, 5);
    out.flush();
    recorder.settle(false);
    out.addGuarded(Buffer.from('3'), 0, 1, X);
    out.flush();
    recorder.settle(true);
    assert.equal(await arrived(), 'aXbXc3');
  });

  it('forwards nothing any more when the session has ended while a record was on its way', async () => {
    const recorder = new ManualRecorder();
    const out = outbox(recorder);
    out.addGuarded(Buffer.from('a'), 0, 1, X);
    out.flush();
    out.close();
    recorder.settle(true);
    assert.equal(await arrived(), '');
  });

  it('says when the resource does not take more', () => {
    let times = 0;
    const out = outbox(new ManualRecorder(), () => {
      times += 1;
    });
    out.add(Buffer.alloc(100));
    out.flush();
    assert.equal(times, 0);
    out.add(Buffer.alloc(1024 * 1024));
    out.flush();
    assert.equal(times, 1);
  });

  it('keeps the order and drops nothing, for any mixture of messages, flushes and writes that fail', () => {
    const step = fc.oneof(
      fc.record({ guarded: fc.boolean(), size: fc.integer({ min: 1, max: 4 }) }),
      fc.constantFrom('flush' as const, 'written' as const, 'failed' as const),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, shared) => {
        const written: Buffer[] = [];
        const recorder = new ManualRecorder();
        const sink = { write: (bytes: Buffer) => written.push(bytes), cork: () => 0, uncork: () => 0 };
        const out = new Outbox(sink as unknown as Socket, recorder, 'process', () => undefined);
        const arena = Buffer.alloc(200, 'm');
        // What was flushed together shares the fate of its records.
        let batch: { guarded: boolean; size: number }[] = [];
        let flushed: (typeof batch)[] = [];
        let expected = '';
        let at = 0;
        const settle = (ok: boolean): void => {
          for (const each of flushed)
            for (const { guarded, size } of each) expected += guarded && !ok ? 'X' : 'm'.repeat(size);
          flushed = [];
          recorder.settle(ok);
        };
        const flush = (): void => {
          if (batch.length > 0) flushed.push(batch);
          const waits = flushed.some((each) => each.some(({ guarded }) => guarded));
          batch = [];
          out.flush();
          if (!waits) settle(true);
        };
        for (const each of steps) {
          if (each === 'flush') flush();
          else if (each === 'written') settle(true);
          else if (each === 'failed') settle(false);
          else {
            batch.push(each);
            const buffer = shared ? arena : Buffer.alloc(each.size, 'm');
            const start = shared ? at : 0;
            at += each.size;
            if (each.guarded) out.addGuarded(buffer, start, start + each.size, X);
            else out.add(buffer, start, start + each.size);
          }
        }
        flush();
        settle(true);
        assert.equal(Buffer.concat(written).toString(), expected);
      }),
    );
  });
});
