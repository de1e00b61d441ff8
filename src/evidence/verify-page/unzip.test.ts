import assert from 'node:assert/strict';
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { ZipFile } from 'yazl';
import { listFolder, unzipInto, zipFolder } from '../zip.ts';
import { unzip } from './unzip.ts';

const quiet = (): void => undefined;

describe('the page unpacks what the command line unpacks, and refuses what that refuses', () => {
  const dir = mkdtempSync(join(tmpdir(), 'postern-unzip-'));
  after(() => rmSync(dir, { recursive: true }));
  let made = 0;

  const zipOf = async (files: Readonly<Record<string, string | Buffer>>): Promise<Buffer> => {
    const folder = join(dir, String(made++));
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(join(folder, path, '..'), { recursive: true });
      writeFileSync(join(folder, path), content);
    }
    await zipFolder(folder, createWriteStream(`${folder}.zip`));
    return readFileSync(`${folder}.zip`);
  };
  const unpacked = async (zip: Uint8Array): Promise<Map<string, Buffer>> => {
    const files = await unzip(new Blob([new Uint8Array(zip)]), quiet);
    const read = [...files].map(
      async ([name, blob]) => [name, Buffer.from(await blob.arrayBuffer())] as const,
    );
    return new Map(await Promise.all(read));
  };
  /** Whether the command line takes it. */
  const taken = async (zip: Uint8Array): Promise<boolean> => {
    const file = join(dir, `${made++}.zip`);
    const out = join(dir, String(made++));
    writeFileSync(file, zip);
    mkdirSync(out);
    return unzipInto(file, out).then(
      () => true,
      () => false,
    );
  };
  const refused = { code: 'POSTERN_INVALID' };

  test('files come out as they went in', async () => {
    const files = {
      'a.txt': 'a',
      'deep/er/b.bin': Buffer.from([0, 255, 10]),
      empty: '',
      long: Buffer.alloc(300_000, 'x'),
    };
    const out = await unpacked(await zipOf(files));
    assert.deepEqual([...out.keys()].sort(), Object.keys(files).sort());
    for (const [path, content] of Object.entries(files))
      assert.deepEqual(out.get(path), Buffer.from(content));
  });

  test('stored files and a zip in the 64-bit form', async () => {
    const zip = new ZipFile();
    zip.addBuffer(Buffer.from('stored'), 'stored', { compress: false });
    zip.addBuffer(Buffer.from('large form'), 'large', { forceZip64Format: true });
    zip.end({ forceZip64Format: true, comment: '' });
    const parts: Buffer[] = [];
    for await (const part of zip.outputStream) parts.push(Buffer.from(part as Uint8Array));
    const out = await unpacked(Buffer.concat(parts));
    assert.deepEqual(
      [...out].map(([name, content]) => [name, content.toString()]),
      [
        ['stored', 'stored'],
        ['large', 'large form'],
      ],
    );
  });

  test('names that would leave a folder, doubles and links are refused', async () => {
    const zip = await zipOf({ 'aa/evil': 'x', 'bb/evil': 'y' });
    const patched = (from: string, to: string): Buffer =>
      Buffer.from(zip.toString('latin1').replaceAll(from, to), 'latin1');
    const directory = zip.indexOf('PK\x01\x02', 0, 'latin1');
    const link = Buffer.from(zip);
    link.writeUInt32LE((0o120777 << 16) >>> 0, directory + 38);
    const encrypted = Buffer.from(zip);
    encrypted.writeUInt16LE(1, directory + 8);
    const twoEnds = Buffer.concat([
      zip,
      zip.subarray(zip.indexOf('PK\x05\x06', 0, 'latin1')),
      Buffer.from('x'),
    ]);
    for (const hostile of [
      twoEnds,
      ...['../evil', '/tmp/ev', 'a\\/evil', 'C:/evil', 'a\0/evil', 'a//evil'].map((name) =>
        patched('aa/evil', name.padEnd(7, 'l').slice(0, 7)),
      ),
      patched('aa/evil', 'bb/evil'),
      link,
      encrypted,
    ]) {
      await assert.rejects(unpacked(hostile), refused);
      assert.equal(await taken(hostile), false);
    }
  });

  test('a bomb is refused before it is unpacked, and one that lies about its size while it is', async () => {
    const bomb = await zipOf({ bomb: Buffer.alloc(90 * 1024 * 1024) });
    await assert.rejects(unpacked(bomb), /unpacks to more than any evidence package does/);
    const liar = Buffer.from(bomb);
    liar.writeUInt32LE(100, bomb.indexOf('PK\x01\x02', 0, 'latin1') + 24);
    await assert.rejects(unpacked(liar), /does not have the length that its directory says/);
  });

  test('a zip cut at any byte is refused', async () => {
    const zip = await zipOf({ 'a/b': 'some content', c: 'more' });
    for (let length = 0; length < zip.length; length++) {
      await assert.rejects(unpacked(zip.subarray(0, length)), refused, String(length));
    }
  });

  test('a zip with any byte changed is refused, or gives files whose hashes tell; it never breaks the page', async () => {
    const zip = await zipOf({ 'a/b': Buffer.alloc(2000, 'content '), c: 'more' });
    const change = fc.record({ at: fc.nat(zip.length - 1), to: fc.nat(255) });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const changed = Buffer.from(zip);
        for (const { at, to } of changes) changed[at] = to;
        await unpacked(changed).catch((error: unknown) => {
          assert.equal((error as { code?: unknown }).code, 'POSTERN_INVALID');
        });
      }),
      { numRuns: 300 },
    );
  });

  test('what a folder has is what its zip has', async () => {
    const content = fc.dictionary(
      fc.stringMatching(/^[a-z][a-z0-9_.-]{0,8}$/),
      fc.uint8Array({ maxLength: 500 }),
      { maxKeys: 6 },
    );
    await fc.assert(
      fc.asyncProperty(content, async (files) => {
        const entries = Object.entries(files).map(([name, data]) => [name, Buffer.from(data)] as const);
        const folder = join(dir, String(made));
        const zip = await zipOf({ 'always.there': '', ...Object.fromEntries(entries) });
        assert.deepEqual([...(await unpacked(zip)).keys()].sort(), listFolder(folder).files);
      }),
      { numRuns: 30 },
    );
  });
});
