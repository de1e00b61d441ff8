import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { formatCheckpoint, openCheckpoint, parseCheckpoint } from './checkpoint.ts';
import {
  formatVerifierKey,
  generateSigner,
  loadSigner,
  openNote,
  parseVerifierKey,
  saveSigner,
  signNote,
} from './note.ts';

const dir = fs.mkdtempSync(join(tmpdir(), 'postern-note-'));
after(() => fs.rmSync(dir, { recursive: true }));

const signer = generateSigner('example.org/log');
const stranger = generateSigner('example.org/log');
const text = 'first line\n\nthird line, with ümlaut\n';
const note = signNote(text, signer);
const refused = { code: 'POSTERN_INVALID' };

describe('signed note', () => {
  it('of another implementation opens with its key (the example of the Go note package)', () => {
    const known = parseVerifierKey('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW');
    const saying =
      "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const signature =
      '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n';
    assert.equal(openNote(`${saying}\n${signature}`, [known]).text, saying);
  });

  it('opens with its key and says who signed', () => {
    const opened = openNote(note, [signer]);
    assert.equal(opened.text, text);
    assert.deepEqual(opened.verified, [{ name: signer.name, keyId: signer.keyId }]);
    assert.deepEqual(openNote(Buffer.from(note), [signer]).text, text);
  });

  it('is refused after any single changed bit of its text or signature', () => {
    const bytes = Buffer.from(note);
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(at) ^ (1 << (at % 8)), at);
      assert.throws(() => openNote(changed, [signer]), refused, `byte ${at}`);
    }
  });

  it('is refused after any cut', () => {
    const bytes = Buffer.from(note);
    for (let at = 0; at < bytes.length; at++) {
      assert.throws(() => openNote(bytes.subarray(0, at), [signer]), refused, `at ${at}`);
    }
  });

  it('signed by unknown keys only is refused, even under the same name', () => {
    assert.throws(() => openNote(note, [stranger]), refused);
    assert.throws(() => openNote(note, []), refused);
  });

  it('lists signatures of unknown keys beside a known one, and refuses a known one that does not hold', () => {
    const line = signNote(text, stranger).split('\n').at(-2);
    const two = `${note}${line}\n`;
    assert.deepEqual(openNote(two, [signer]).unknown, [{ name: stranger.name, keyId: stranger.keyId }]);
    const other = signNote('other\n', stranger).split('\n').at(-2);
    assert.throws(() => openNote(`${note}${other}\n`, [signer, stranger]), refused);
  });

  it('is refused where it is too large, has control characters, or no signature', () => {
    assert.throws(() => openNote(signNote(`${'x'.repeat(65_536)}\n`, signer), [signer]), refused);
    assert.throws(() => openNote(`${text}\n`, [signer]), refused);
    assert.throws(() => openNote(note.replace('first', 'fi\tst'), [signer]), refused);
    assert.throws(() => openNote(`${note}— ${signer.name}\n`, [signer]), refused);
    assert.throws(() => openNote(note + `${note.split('\n').at(-2)}\n`.repeat(64), [signer]), refused);
    assert.throws(() => signNote('no newline', signer), refused);
    assert.throws(() => signNote('a\rb\n', signer), refused);
  });

  it('never throws anything but a refusal, whatever it is given', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.uint8Array()), (junk) => {
        assert.throws(() => openNote(junk, [signer]), refused);
      }),
    );
  });
});

describe('note keys', () => {
  it('survive a save, in a file that only its owner may read', () => {
    const path = join(dir, 'log.key');
    saveSigner(path, signer);
    assert.equal(fs.statSync(path).mode & 0o777, 0o600);
    assert.match(
      fs.readFileSync(path, 'utf8'),
      /^PRIVATE\+KEY\+example\.org\/log\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44}\n$/,
    );
    assert.equal(openNote(signNote(text, loadSigner(path)), [signer]).text, text);
  });

  it('are refused from a file that others may read', () => {
    const path = join(dir, 'open.key');
    saveSigner(path, signer);
    fs.chmodSync(path, 0o640);
    assert.throws(() => loadSigner(path), /can be read by others/);
  });

  it('are refused where they do not fit their id, without the key in the message', () => {
    const path = join(dir, 'mixed.key');
    saveSigner(path, signer);
    const mixed = fs.readFileSync(path, 'utf8').replace(signer.keyId, stranger.keyId);
    fs.writeFileSync(path, mixed);
    const secret = mixed.trim().split('+').slice(4).join('+');
    assert.throws(
      () => loadSigner(path),
      (error: Error) => !error.message.includes(secret),
    );
  });

  it('are named without white space and plus signs', () => {
    for (const name of ['', 'a b', 'a+b', 'a\nb', 'a\u2003b', '\ud800']) {
      assert.throws(() => generateSigner(name), refused, JSON.stringify(name));
    }
  });

  it('for verification round trip, and a changed one is refused', () => {
    const vkey = formatVerifierKey(signer);
    assert.equal(openNote(note, [parseVerifierKey(` ${vkey}\n`)]).text, text);
    for (const bad of [vkey.slice(0, -1), vkey.replace('org', 'com'), 'x', '', vkey.replace('+A', '+B')]) {
      assert.throws(() => parseVerifierKey(bad), refused, bad);
    }
  });
});

describe('checkpoint', () => {
  const root = Buffer.alloc(32, 9);
  const body = formatCheckpoint({ origin: signer.name, size: 42, root });

  it('round trips', () => {
    assert.deepEqual(parseCheckpoint(body), { origin: signer.name, size: 42, root });
    assert.deepEqual(openCheckpoint(signNote(body, signer), signer), { origin: signer.name, size: 42, root });
  });

  it('of another log, signed by the same key, is refused', () => {
    const other = formatCheckpoint({ origin: 'example.org/other', size: 42, root });
    assert.throws(() => openCheckpoint(signNote(other, signer), signer), refused);
  });

  const hash = root.toString('base64');
  for (const bad of [
    '',
    `o\n42\n${hash}`,
    `o\n042\n${hash}\n`,
    `o\n-1\n${hash}\n`,
    `o\n4e1\n${hash}\n`,
    `o\n9007199254740993\n${hash}\n`,
    `\n42\n${hash}\n`,
    `o\n42\n${hash.slice(0, -1)}\n`,
    `o\n42\n${hash} \n`,
    `o\n42\n${Buffer.alloc(31).toString('base64')}\n`,
    `o\n42\n\n`,
    `o\n42\n${hash}\n\n`,
  ]) {
    it(`is refused as ${JSON.stringify(bad)}`, () => {
      assert.throws(() => parseCheckpoint(bad), refused);
    });
  }
});
