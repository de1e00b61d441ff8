import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { errorResponse } from './errors.ts';
import { requestRules } from './request-messages.ts';
import { upstreamRules } from './upstream.ts';
import {
  Back,
  cstring,
  errorFields,
  FrameReader,
  Front,
  int32,
  message,
  readStartup,
  startup,
  WireError,
} from './wire.ts';

const rules = requestRules(64 * 1024);

/** Feeds `bytes` in pieces of the given sizes; gives each frame's type and bytes. */
function read(
  bytes: Buffer,
  sizes: readonly number[],
  with_ = rules,
): { type: number; bytes: Buffer; oversize: boolean }[] {
  const reader = new FrameReader(with_);
  const frames: { type: number; bytes: Buffer; oversize: boolean }[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[i % sizes.length] ?? 1);
    reader.push(Buffer.from(bytes.subarray(at, at + size)));
    at += size;
    while (reader.next()) {
      const part = Buffer.from(reader.buffer.subarray(reader.start, reader.end));
      if (reader.first) frames.push({ type: reader.type, bytes: part, oversize: reader.oversize });
      else {
        const last = frames.at(-1);
        assert.ok(last);
        last.bytes = Buffer.concat([last.bytes, part]);
      }
    }
  }
  return frames;
}

describe('FrameReader', () => {
  it('gives every message whole, however the stream was cut', () => {
    const type = fc.constantFrom(
      Front.query,
      Front.parse,
      Front.bind,
      Front.sync,
      Front.copyData,
      Front.execute,
    );
    fc.assert(
      fc.property(
        fc.array(fc.record({ type, body: fc.uint8Array({ maxLength: 600 }) }), { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 6 }),
        (parts, sizes) => {
          const messages = parts.map((part) => message(part.type, Buffer.from(part.body)));
          const frames = read(Buffer.concat(messages), sizes);
          assert.equal(frames.length, messages.length);
          for (const [i, frame] of frames.entries()) assert.deepEqual(frame.bytes, messages[i]);
        },
      ),
    );
  });

  it('takes along what it would have given one by one: the same bytes, the same number of messages, none of another type', () => {
    const type = fc.constantFrom(Back.dataRow, Back.dataRow, Back.copyData, Back.commandComplete);
    fc.assert(
      fc.property(
        fc.array(fc.record({ type, body: fc.uint8Array({ maxLength: 60 }) }), { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 6 }),
        (parts, sizes) => {
          const bytes = Buffer.concat(parts.map((part) => message(part.type, Buffer.from(part.body))));
          const reader = new FrameReader(upstreamRules);
          const given: Buffer[] = [];
          const types: number[] = [];
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const size = sizes[i % sizes.length] as number;
            reader.push(bytes.subarray(at, at + size));
            at += size;
            while (reader.next()) {
              const more = reader.extend();
              given.push(Buffer.from(reader.buffer.subarray(reader.start, reader.end)));
              for (let n = more + Number(reader.first); n > 0; n--) types.push(reader.type);
            }
          }
          assert.deepEqual(Buffer.concat(given), bytes);
          assert.deepEqual(
            types,
            parts.map((part) => part.type),
          );
        },
      ),
    );
  });

  it('takes nothing along that is malformed, too long or not whole: that is told when its turn comes', () => {
    const good = message(Back.dataRow, Buffer.alloc(3));
    for (const bad of [
      Buffer.concat([Buffer.from([Back.dataRow]), int32(3)]),
      Buffer.concat([Buffer.from([Back.dataRow]), int32(-1), Buffer.alloc(9)]),
    ]) {
      const reader = new FrameReader(upstreamRules);
      reader.push(Buffer.concat([good, good, bad]));
      assert.ok(reader.next());
      assert.equal(reader.extend(), 1);
      assert.equal(reader.end, 2 * good.length);
      assert.throws(() => reader.next(), WireError);
    }
  });

  it('reports a message over its limit, skips exactly its bytes and goes on with the next', () => {
    const big = message(Front.query, Buffer.alloc(70_000, 'a'));
    for (const sizes of [[1_000_000], [1], [5], [70_004, 1], [65_536]]) {
      const frames = read(Buffer.concat([big, message(Front.sync)]), sizes);
      assert.deepEqual(
        frames.map(({ type, oversize }) => [type, oversize]),
        [
          [Front.query, true],
          [Front.sync, false],
        ],
      );
    }
  });

  it('refuses a type that is not known, a length under four and a small message that claims to be large', () => {
    assert.throws(() => read(Buffer.from([0x00, 0, 0, 0, 4]), [5]), WireError);
    assert.throws(() => read(Buffer.from([Front.query, 0, 0, 0, 3]), [5]), WireError);
    assert.throws(() => read(Buffer.concat([Buffer.from([Front.sync]), int32(0x7fffffff)]), [5]), WireError);
    assert.throws(() => read(Buffer.concat([Buffer.from([Front.sync]), int32(-1)]), [5]), WireError);
  });

  it('holds no more memory than the message that was checked: a claimed length alone allocates nothing over the limit', () => {
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: 64 }, () => {
      const reader = new FrameReader(upstreamRules);
      reader.push(Buffer.concat([Buffer.from([0x44]), int32(1_000_000_000)]));
      while (reader.next());
      return reader;
    });
    assert.equal(readers.length, 64);
    assert.ok(process.memoryUsage().arrayBuffers - before < 16 * 1024 * 1024);
  });

  it('never fails in another way than WireError on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.integer({ min: 1, max: 50 }), (bytes, size) => {
        try {
          read(Buffer.from(bytes), [size]);
          read(Buffer.from(bytes), [size], upstreamRules);
        } catch (error) {
          assert.ok(error instanceof WireError);
        }
      }),
    );
  });
});

describe('readStartup', () => {
  it('reads back what a client sends', () => {
    const parameters = new Map([
      ['user', 'batch'],
      ['database', 'ledger-db/bank'],
    ]);
    const packet = startup(parameters);
    assert.equal(readStartup(packet.subarray(0, packet.length - 1)), null);
    const read = readStartup(Buffer.concat([packet, Buffer.from('more')]));
    assert.deepEqual(read?.packet.parameters, parameters);
    assert.equal(read?.size, packet.length);
  });

  it('refuses a packet that claims 1 GiB without waiting for it', () => {
    assert.throws(() => readStartup(int32(1024 * 1024 * 1024)), WireError);
  });

  it('refuses repeated names, missing terminators and invalid UTF-8', () => {
    const packet = (body: Buffer): Buffer => Buffer.concat([int32(body.length + 8), int32(196608), body]);
    assert.throws(() => readStartup(packet(Buffer.from('user\0a\0user\0b\0\0'))), WireError);
    assert.throws(() => readStartup(packet(Buffer.from('user\0a\0'))), WireError);
    assert.throws(() => readStartup(packet(Buffer.from('user\0a'))), WireError);
    assert.throws(() => readStartup(packet(Buffer.from([0x75, 0, 0xff, 0, 0]))), WireError);
    assert.throws(() => readStartup(packet(Buffer.from('user\0a\0\0trailing'))), WireError);
  });

  it('never fails in another way than WireError on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          readStartup(Buffer.concat([int32(bytes.length + 4), Buffer.from(bytes)]));
        } catch (error) {
          assert.ok(error instanceof WireError);
        }
      }),
    );
  });
});

describe('errorResponse', () => {
  it('carries severity, SQLSTATE, message, detail, hint and the stable code, and no NUL from outside', () => {
    const bytes = errorResponse({
      severity: 'ERROR',
      code: 'POSTERN_SCOPE_DENIED',
      message: 'no\0way',
      detail: 'record 1',
      hint: 'ask',
    });
    const fields = errorFields(bytes, 0, bytes.length);
    assert.equal(fields.get('V'), 'ERROR');
    assert.equal(fields.get('C'), '42501');
    assert.equal(fields.get('M'), 'postern: noway');
    assert.equal(fields.get('D'), 'record 1');
    assert.equal(fields.get('H'), 'ask');
    assert.equal(fields.get('R'), 'POSTERN_SCOPE_DENIED');
    assert.equal(cstring('a').length, 2);
  });
});
