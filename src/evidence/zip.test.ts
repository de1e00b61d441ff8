import assert from 'node:assert/strict';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { verifyPackage } from './verify.ts';
import { listFolder, unzipInto, zipFolder } from './zip.ts';

describe('zip', () => {
  const dir = mkdtempSync(join(tmpdir(), 'postern-zip-'));
  after(() => rmSync(dir, { recursive: true }));
  let count = 0;
  const fresh = (): string => join(dir, String(count++));

  /** A zip of these files, its bytes changed by `patch`. */
  const zipOf = async (
    files: Record<string, string | Buffer>,
    patch: (bytes: Buffer) => Buffer = (bytes) => bytes,
  ): Promise<string> => {
    const folder = fresh();
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(join(folder, path, '..'), { recursive: true });
      writeFileSync(join(folder, path), content);
    }
    const file = `${folder}.zip`;
    await zipFolder(folder, createWriteStream(file));
    writeFileSync(file, patch(readFileSync(file)));
    return file;
  };
  const rename = (from: string, to: string) => (bytes: Buffer) =>
    Buffer.from(bytes.toString('latin1').replaceAll(from, to), 'latin1');
  const refused = { code: 'POSTERN_INVALID' };

  test('a folder comes out of its zip as it went in', async () => {
    const files = { 'a.txt': 'a', 'deep/er/b.bin': Buffer.from([0, 255, 10]), empty: '' };
    const out = fresh();
    await unzipInto(await zipOf(files), out);
    assert.deepEqual(listFolder(out), { files: ['a.txt', 'deep/er/b.bin', 'empty'], odd: [] });
    for (const [path, content] of Object.entries(files)) {
      assert.deepEqual(readFileSync(join(out, path)), Buffer.from(content));
    }
  });

  test('names that would leave the folder are refused, and nothing is written outside', async () => {
    for (const [from, to] of [
      ['aa/evil', '../evil'],
      ['a/aa/evil', 'a/../evil'],
      ['aaaa/evil', '/tmp/evil'],
      ['a/evil', 'a\\evil'],
      ['a/evil', 'C:evil'],
      ['a/evil', 'a/ev\u0000l'],
      ['a/evil', 'a//vil'],
      ['a/evil', './evil'],
    ] as const) {
      const out = join(fresh(), 'inner');
      mkdirSync(out, { recursive: true });
      await assert.rejects(unzipInto(await zipOf({ [from]: 'x' }, rename(from, to)), out), refused, to);
      assert.equal(existsSync(join(out, '..', 'evil')), false);
    }
  });

  test('two files of one name are refused', async () => {
    const file = await zipOf({ aaa: 'x', bbb: 'y' }, rename('bbb', 'aaa'));
    await assert.rejects(unzipInto(file, fresh()), refused);
  });

  test('a link is refused', async () => {
    const link = (bytes: Buffer): Buffer => {
      const at = bytes.indexOf(Buffer.from('PK\u0001\u0002', 'latin1'));
      bytes.writeUInt32LE((0o120777 << 16) >>> 0, at + 38);
      return bytes;
    };
    await assert.rejects(unzipInto(await zipOf({ link: '/etc/passwd' }, link), fresh()), refused);
  });

  test('a bomb is refused before it is unpacked, and one that lies about its size while it is', async () => {
    const bomb = await zipOf({ bomb: Buffer.alloc(300 * 1024 * 1024) });
    const out = fresh();
    await assert.rejects(unzipInto(bomb, out), refused);
    assert.equal(existsSync(join(out, 'bomb')), false);
    const small = await zipOf({ liar: Buffer.alloc(1_000_000) }, (bytes) => {
      const at = bytes.indexOf(Buffer.from('PK\u0001\u0002', 'latin1'));
      bytes.writeUInt32LE(10, at + 24);
      return bytes;
    });
    await assert.rejects(unzipInto(small, fresh()), refused);
  });

  test('what is no zip, or a cut one, is refused with the reason', async () => {
    const cut = await zipOf({ a: 'x'.repeat(1000) }, (bytes) => bytes.subarray(0, bytes.length - 30));
    await assert.rejects(verifyPackage(cut), refused);
    const text = fresh();
    writeFileSync(text, 'not a zip');
    await assert.rejects(verifyPackage(text), refused);
    const other = await verifyPackage(await zipOf({ 'holiday.jpg': 'x' }));
    assert.equal(other.ok, false);
  });
});
