import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import type { Payload } from '../core/record.ts';
import { JournalWriter, listJournals, readJournal } from './journal.ts';
import { FrameEncoder } from './journal-frame.ts';

const LIMITED = 'under-a-file-size-limit';

/** Sets the largest size a file of this process may have: a real disk that is full, for whoever writes. */
function limitFiles(bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`]);
}

function json(id: string, more: object = {}): string {
  return JSON.stringify({ id, ...more });
}

const unavailable = { code: 'POSTERN_AUDIT_UNAVAILABLE' };

/** The part of the tests that runs in a process of its own, where files can be kept from growing. */
function underLimit(dir: string): void {
  const writer = JournalWriter.create(dir, 'w');
  writer.append(json('kept'));
  writer.flush();
  const before = fs.readFileSync(writer.path);
  limitFiles(before.length + 100);
  for (let round = 0; round < 3; round++) {
    writer.append(json(`refused ${round}`, { fill: 'x'.repeat(1000) }));
    assert.throws(() => writer.flush(), unavailable);
    assert.deepEqual(fs.readFileSync(writer.path), before, 'the file is as it was');
    writer.flush();
  }
  limitFiles('unlimited');
  writer.append(json('after'));
  writer.flush();
  const { records, state } = readJournal(writer.path, 0);
  assert.deepEqual([records.map((record) => record.json), state], [[json('kept'), json('after')], 'end']);
  writer.close();
}

if (process.argv[2] === LIMITED) {
  underLimit(process.argv[3] as string);
} else {
  tests();
}

function tests(): void {
  let dir = '';
  beforeEach(() => {
    dir = fs.mkdtempSync(join(tmpdir(), 'postern-journal-'));
  });
  afterEach(() => fs.rmSync(dir, { recursive: true }));

  const kinds: Payload['kind'][] = ['statement', 'parameters'];
  const record = fc.record(
    {
      json: fc.json().map((value) => `{"id":"x","value":${value}}`),
      payloads: fc.uniqueArray(
        fc.record(
          {
            kind: fc.constantFrom(...kinds),
            data: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
          },
          { noNullPrototype: true },
        ),
        { maxLength: 2, selector: ({ kind }) => kind },
      ),
    },
    { noNullPrototype: true },
  );
  const flushes = fc.array(fc.array(record, { minLength: 1, maxLength: 5 }), { maxLength: 6 });

  function readAll(path: string, maxBytes?: number): { json: string; payloads: readonly Payload[] }[] {
    const all: { json: string; payloads: readonly Payload[] }[] = [];
    for (let offset = 0; ; ) {
      const { records, nextOffset, state } = readJournal(path, offset, maxBytes);
      assert.equal(state, 'end');
      if (records.length === 0) return all;
      all.push(...records.map(({ json, payloads }) => ({ json, payloads })));
      offset = nextOffset;
    }
  }

  describe('journal', () => {
    it('gives back exactly what was flushed, in any portions', () => {
      fc.assert(
        fc.property(flushes, fc.integer({ min: 1, max: 2000 }), (batches, maxBytes) => {
          const writer = JournalWriter.create(dir, 'w');
          for (const batch of batches) {
            for (const { json, payloads } of batch) writer.append(json, payloads);
            writer.flush();
          }
          assert.deepEqual(readAll(writer.path, maxBytes), batches.flat());
          assert.deepEqual(readAll(writer.path), batches.flat());
          writer.close();
        }),
        { numRuns: 60 },
      );
    });

    it('cut at any byte gives the whole frames before the cut, and calls the rest torn', () => {
      const writer = JournalWriter.create(dir, 'w');
      const ends: number[] = [8];
      for (let i = 0; i < 4; i++) {
        writer.append(json(`a${i}`), [{ kind: 'statement', data: Buffer.from('select 1') }]);
        writer.append(json(`b${i}`));
        writer.flush();
        ends.push(fs.statSync(writer.path).size);
      }
      writer.close();
      const whole = fs.readFileSync(writer.path);
      const cut = join(dir, 'cut-1.journal');
      for (let at = 0; at <= whole.length; at++) {
        fs.writeFileSync(cut, whole.subarray(0, at));
        const { records, nextOffset, state } = readJournal(cut, 0);
        const frames = ends.filter((end) => end <= at).length - 1;
        assert.equal(records.length, 2 * Math.max(0, frames), `at ${at}`);
        assert.equal(state, ends.includes(at) ? 'end' : 'torn', `at ${at}`);
        assert.equal(nextOffset, at < 8 ? 0 : ends[frames], `at ${at}`);
      }
    });

    it('with any changed byte never gives a record that was not written, and names where it is corrupt', () => {
      const writer = JournalWriter.create(dir, 'w');
      for (let i = 0; i < 3; i++) {
        writer.append(json(`r${i}`, { text: 'some text' }));
        writer.flush();
      }
      writer.close();
      const whole = fs.readFileSync(writer.path);
      const { records } = readJournal(writer.path, 0);
      const last = records[2]?.offset as number;
      for (let at = 0; at < whole.length; at++) {
        const changed = Buffer.from(whole);
        changed.writeUInt8(changed.readUInt8(at) ^ (1 << (at % 8)), at);
        fs.writeFileSync(writer.path, changed);
        const read = readJournal(writer.path, 0);
        const hit = at < 8 ? 0 : records.filter(({ offset }) => offset <= at).length - 1;
        assert.deepEqual(read.records, records.slice(0, hit), `byte ${at}`);
        assert.equal(read.state, at >= last + 12 ? 'torn' : 'corrupt', `byte ${at}`);
        assert.equal(read.nextOffset, at < 8 ? 0 : records[hit]?.offset, `byte ${at}`);
      }
    });

    it('with zeros at its end, as a power failure leaves them, is torn and not corrupt', () => {
      const writer = JournalWriter.create(dir, 'w');
      writer.append(json('a'));
      writer.close();
      const { size } = fs.statSync(writer.path);
      fs.truncateSync(writer.path, size + 5000);
      const { records, nextOffset, state } = readJournal(writer.path, 0);
      assert.deepEqual([records.length, nextOffset, state], [1, size, 'torn']);
    });

    it('that claims a frame of 4 GiB, or an impossible inside, is refused without taking the memory', () => {
      const path = join(dir, 'x-1.journal');
      for (const body of [
        Buffer.from([0xff, 0xff, 0xff, 0xff, 1]),
        Buffer.from([0, 0, 0, 1, 0x7b, 9]),
        Buffer.from([0, 0, 0, 2, 0x7b, 0x7d, 1, 7, 0, 0, 0, 0]),
      ]) {
        const frame = new FrameEncoder().encode([{ json: '{}', payloads: undefined }]);
        fs.writeFileSync(path, Buffer.concat([Buffer.from('PSTNJRN\u0001', 'latin1'), frame, reframe(body)]));
        const { records, state } = readJournal(path, 0);
        assert.deepEqual([records.length, state], [1, 'corrupt']);
      }
    });

    it('is a file of its owner alone, and two writers of one name never share one', () => {
      const first = JournalWriter.create(dir, 'w');
      const second = JournalWriter.create(dir, 'w');
      assert.notEqual(first.path, second.path);
      assert.equal(fs.statSync(first.path).mode & 0o777, 0o600);
      assert.deepEqual(
        listJournals(dir).map(({ path }) => path),
        [first.path, second.path],
      );
      first.close();
      second.close();
    });

    it('begins after the older files of its name even when the clock was set back', () => {
      fs.writeFileSync(join(dir, 'w-99999999999999.journal'), '');
      const writer = JournalWriter.create(dir, 'w');
      assert.equal(listJournals(dir).at(-1)?.path, writer.path);
      writer.close();
    });

    it('writes nothing for an empty flush, and one frame for many records', () => {
      const writer = JournalWriter.create(dir, 'w');
      writer.flush();
      assert.equal(fs.statSync(writer.path).size, 8);
      for (let i = 0; i < 100; i++) writer.append(json(`r${i}`));
      writer.flush();
      const { records } = readJournal(writer.path, 0);
      assert.equal(new Set(records.map(({ offset }) => offset)).size, 1);
      assert.equal(records.length, 100);
      writer.close();
    });

    it('goes on in a new file after 64 MiB, and syncs the old one too', async () => {
      const writer = JournalWriter.create(dir, 'w');
      const first = writer.path;
      const data = Buffer.alloc(17 * 1024 * 1024, 1);
      for (let i = 0; i < 5; i++) {
        writer.append(json(`r${i}`), [{ kind: 'parameters', data }]);
        writer.flush();
      }
      assert.notEqual(writer.path, first);
      await writer.sync();
      assert.deepEqual(
        readAll(first, 1).map(({ json }) => json),
        [0, 1, 2, 3].map((i) => json(`r${i}`)),
      );
      assert.deepEqual(
        readAll(writer.path).map(({ json }) => json),
        [json('r4')],
      );
      writer.close();
    });

    it('answers every sync, at once or shared, also around a rotation and after closing', async () => {
      const writer = JournalWriter.create(dir, 'w');
      const waits: Promise<void>[] = [writer.sync()];
      for (let i = 0; i < 50; i++) {
        writer.append(json(`r${i}`));
        writer.flush();
        waits.push(writer.sync());
      }
      assert.ok(new Set(waits).size < 10);
      writer.append(json('last'));
      writer.close();
      waits.push(writer.sync());
      await Promise.all(waits);
      assert.equal(readAll(writer.path).length, 51);
    });

    it('that is closed refuses records', () => {
      const writer = JournalWriter.create(dir, 'w');
      writer.close();
      writer.close();
      writer.append(json('late'));
      assert.throws(() => writer.flush(), unavailable);
    });

    it('refuses what would not read back as one record', () => {
      const writer = JournalWriter.create(dir, 'w');
      const payload: Payload = { kind: 'statement', data: Buffer.from('x') };
      assert.throws(() => writer.append(''), { code: 'POSTERN_INTERNAL' });
      assert.throws(() => writer.append('{"id":1}\n'), { code: 'POSTERN_INTERNAL' });
      assert.throws(() => writer.append('{"id":1}', [payload, payload]), { code: 'POSTERN_INTERNAL' });
      writer.flush();
      assert.equal(readAll(writer.path).length, 0);
      writer.close();
    });

    it('refuses names that are not plain, and a directory that cannot be written', () => {
      for (const name of ['', '../x', 'a/b', 'A', '.x']) {
        assert.throws(() => JournalWriter.create(dir, name), { code: 'POSTERN_INVALID' });
      }
      fs.writeFileSync(join(dir, 'file'), '');
      assert.throws(() => JournalWriter.create(join(dir, 'file'), 'w'), unavailable);
    });

    it('on a full disk refuses, leaves no trace of the refused, and works again by itself', () => {
      const child = spawnSync(process.execPath, [import.meta.filename, LIMITED, dir], { encoding: 'utf8' });
      assert.equal(child.status, 0, child.stderr);
    });
  });
}

/** A frame around any bytes, with checksums that hold. */
function reframe(body: Buffer): Buffer {
  const frame = Buffer.alloc(12 + body.length);
  frame.writeUInt32BE(body.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  frame.writeUInt32BE(crc32(frame.subarray(0, 8)), 8);
  body.copy(frame, 12);
  return frame;
}
